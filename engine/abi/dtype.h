// Element types, shared by the host and the GPU. Compiles under NVRTC: no includes.
#pragma once

namespace amk::abi {

/// Storage type of a tensor or buffer.
enum class Dtype : unsigned char {
#define AMK_DTYPE(name, text, bits, doc) name,
#include "abi/dtype.def"
};

struct DtypeInfo {
  const char* name;
  unsigned bits;  ///< bits an element takes in memory
};

inline constexpr DtypeInfo kDtypes[] = {
#define AMK_DTYPE(name, text, bits, doc) {text, bits},
#include "abi/dtype.def"
};

inline constexpr unsigned kDtypeCount = sizeof(kDtypes) / sizeof(kDtypes[0]);

constexpr const char* dtype_name(Dtype dtype) { return kDtypes[static_cast<unsigned>(dtype)].name; }
constexpr unsigned dtype_bits(Dtype dtype) { return kDtypes[static_cast<unsigned>(dtype)].bits; }
/// Whole bytes an element takes; only for dtypes of at least 8 bits.
constexpr unsigned dtype_bytes(Dtype dtype) { return dtype_bits(dtype) / 8; }

}  // namespace amk::abi
