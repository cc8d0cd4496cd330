// Element types and the layout of a row of them, shared by the host and the GPU. Compiles under NVRTC: no includes.
//
// A plain row is its elements, packed. A quantised row [columns] is
//
//   its elements, zero-padded to padded_columns(): 8 bits each, or 4 bits, two a byte, the even column in the low
//   nibble; two's complement
//   its scales, bfloat16, little-endian: one a group of columns in ascending order, or one for the whole row
//
// and an element's value is element x scale, exact in float32. Rows follow each other without gaps, so that a range of
// rows is a range of bytes.
//
// In a GPU's shared memory a chunk of a matrix lies as the device's producer packs it: for each kPackedColumns columns
// the elements of all its rows, row after row, then the scales of all its rows, packed_scales() a row, row after row.
// A scale of a whole row is repeated.
#pragma once

namespace amk::abi {

/// Storage type of a tensor or buffer.
enum class Dtype : unsigned char {
#define AMK_DTYPE(name, text, bits, group, doc) name,
#include "abi/dtype.def"
};

/// In DtypeInfo::group: one scale for all columns of a row.
inline constexpr unsigned kWholeRow = ~0U;

struct DtypeInfo {
  const char* name;
  unsigned bits;   ///< bits an element takes in memory
  unsigned group;  ///< columns that share a scale: 0 for none, kWholeRow for all
};

inline constexpr DtypeInfo kDtypes[] = {
#define AMK_DTYPE(name, text, bits, group, doc) {text, bits, group},
#include "abi/dtype.def"
};

inline constexpr unsigned kDtypeCount = sizeof(kDtypes) / sizeof(kDtypes[0]);

constexpr const char* dtype_name(Dtype dtype) { return kDtypes[static_cast<unsigned>(dtype)].name; }
constexpr unsigned dtype_bits(Dtype dtype) { return kDtypes[static_cast<unsigned>(dtype)].bits; }
/// Columns that share a scale; 0 or kWholeRow as in the table.
constexpr unsigned dtype_group(Dtype dtype) { return kDtypes[static_cast<unsigned>(dtype)].group; }
constexpr bool is_quantised(Dtype dtype) { return dtype_group(dtype) != 0; }
/// Bytes of an element that is its own value; 0 for a quantised dtype, of which only rows have a size (row_bytes).
constexpr unsigned dtype_bytes(Dtype dtype) { return is_quantised(dtype) ? 0 : dtype_bits(dtype) / 8; }

// ---- rows in memory -----------------------------------------------------------------------------------------------

inline constexpr unsigned kScaleBytes = 2;      ///< bfloat16
inline constexpr unsigned kRowPadColumns = 64;  ///< what a row with one scale is padded to a multiple of

/// Columns that a row of `columns` takes, those of padding included.
constexpr unsigned long long padded_columns(Dtype dtype, unsigned long long columns) {
  const unsigned group = dtype_group(dtype);
  if (group == 0) return columns;
  const unsigned long long unit = group == kWholeRow ? kRowPadColumns : group;
  return (columns + unit - 1) / unit * unit;
}
/// Bytes of a row's elements: where its scales begin.
constexpr unsigned long long row_element_bytes(Dtype dtype, unsigned long long columns) {
  return padded_columns(dtype, columns) * dtype_bits(dtype) / 8;
}
/// Scales of a row.
constexpr unsigned long long row_scales(Dtype dtype, unsigned long long columns) {
  const unsigned group = dtype_group(dtype);
  if (group == 0) return 0;
  return group == kWholeRow ? 1 : padded_columns(dtype, columns) / group;
}
/// Bytes of a row of `columns`, at least 1 and at most 2^56 of them.
constexpr unsigned long long row_bytes(Dtype dtype, unsigned long long columns) {
  return row_element_bytes(dtype, columns) + row_scales(dtype, columns) * kScaleBytes;
}

// ---- chunks in a GPU's shared memory ------------------------------------------------------------------------------

/// Columns that are packed together; chunks of quantised matrices are cut at multiples of it.
inline constexpr unsigned kPackedColumns = 128;
/// As kPackedColumns, of matrices that are not quantised.
inline constexpr unsigned kPackedPlainColumns = 64;

/// Scales of kPackedColumns columns of one row.
constexpr unsigned packed_scales(Dtype dtype) {
  const unsigned group = dtype_group(dtype);
  return group == 0 ? 0 : group >= kPackedColumns ? 1 : kPackedColumns / group;
}
/// Bytes that a chunk of `rows` x `columns` takes in shared memory.
constexpr unsigned long long packed_bytes(Dtype dtype, unsigned rows, unsigned long long columns) {
  if (!is_quantised(dtype)) {
    return (columns + kPackedPlainColumns - 1) / kPackedPlainColumns * kPackedPlainColumns * rows * dtype_bits(dtype) /
           8;
  }
  const unsigned long long blocks = (columns + kPackedColumns - 1) / kPackedColumns;
  return blocks * rows * (kPackedColumns * dtype_bits(dtype) / 8 + packed_scales(dtype) * kScaleBytes);
}

namespace detail {
constexpr bool groups_fit() {
  for (const DtypeInfo& dtype : kDtypes) {
    if (dtype.group != 0 && dtype.group != kWholeRow && kPackedColumns % dtype.group != 0) return false;
    if (dtype.group != 0 && dtype.bits != 8 && dtype.bits != 4) return false;
    if (dtype.group == 0 && dtype.bits % 8 != 0) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::groups_fit(), "dtype.def: groups divide kPackedColumns, plain elements are whole bytes");

}  // namespace amk::abi
