// cuBLAS, opened at run time: products of a row-major matrix and a vector on a Device's stream, graph capture included.
//
// A rival to be measured, never a part of what AMK runs. libcublas.so.13 or .12 is looked for where NVRTC is
// (nvrtc.h); $AMK_CUBLAS names it outright. (cuBLAS documentation, "cublasGemmEx", "cublasSetWorkspace".)
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "abi/dtype.h"
#include "base/result.h"
#include "vm/cuda/driver.h"

namespace amk::vm::cuda {

/// "13.0", or why there is no cuBLAS here (kUnsupported).
Result<std::string> cublas_version();

/// y = weight x: all three of `dtype` (kF32, kF16 or kBf16), sums in float32. Addresses are the device's.
struct CublasProduct {
  abi::Dtype dtype = abi::Dtype::kBf16;
  uint64_t weight = 0;  ///< [rows, columns], row-major
  uint64_t x = 0;       ///< [columns]
  uint64_t y = 0;       ///< [rows]
  uint32_t rows = 0;
  uint32_t columns = 0;
  /// Which way cuBLAS is asked: y as a column (rows x 1) or as a row (1 x rows). The same product, but cuBLAS may
  /// choose another kernel.
  bool as_row = false;
};

class Cublas {
 public:
  /// A handle on the device's stream with a workspace of its own, so that its calls can be captured. kUnsupported
  /// where there is no cuBLAS.
  static Result<Cublas> create(Device& device);
  Cublas(Cublas&&) noexcept;
  Cublas& operator=(Cublas&&) noexcept;
  ~Cublas();

  /// Enqueues. kInternal with cuBLAS's name of the failure.
  Status multiply(const CublasProduct& product);

 private:
  struct Impl;
  explicit Cublas(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::vm::cuda
