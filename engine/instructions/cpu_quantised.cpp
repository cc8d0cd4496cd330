#include "instructions/cpu_quantised.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "base/float_formats.h"
#include "instructions/cpu_kernel.h"

namespace amk::instructions {

namespace {

/// Columns that certainly share a scale, where a block of them begins at a multiple.
constexpr size_t kBlock = 64;
static_assert(abi::kPackedColumns % kBlock == 0 && abi::kRowPadColumns % kBlock == 0 &&
              abi::kPackedColumns == 2 * kBlock);

/// What all rows of a matrix have in common.
struct Layout {
  size_t row_bytes;
  size_t element_bytes;  ///< of a row: where its scales begin
  unsigned scale_shift;  ///< blocks >> it: which scale
};

Layout layout_of(const QuantisedRows& rows) {
  const unsigned group = abi::dtype_group(rows.dtype);
  return {abi::row_bytes(rows.dtype, rows.columns), abi::row_element_bytes(rows.dtype, rows.columns),
          group == abi::kWholeRow ? 63U
          : group == kBlock       ? 0U
                                  : 1U};
}

AMK_INLINE float scale_of(const std::byte* row, const Layout& layout, size_t block) {
  uint16_t bits = 0;
  std::memcpy(&bits, row + layout.element_bytes + (block >> layout.scale_shift) * sizeof(bits), sizeof(bits));
  return bf16_to_f32(bits);
}

/// The values of a block of one row in the order of arranged(), those of padding included, which are 0. Plain loops
/// over arrays: these are what compilers make vectors of in every clone.
template <unsigned kBits>
AMK_INLINE void widen_block(const std::byte* row, size_t block, float scale, float* __restrict out) {
  const auto* packed = reinterpret_cast<const uint8_t*>(row) + block * (kBlock * kBits / 8);
  if constexpr (kBits == 8) {
    for (size_t i = 0; i < kBlock; ++i) out[i] = static_cast<float>(static_cast<int8_t>(packed[i])) * scale;
  } else {
    // A nibble n in two's complement is (n ^ 8) - 8.
    constexpr size_t kHalf = kBlock / 2;
    for (size_t i = 0; i < kHalf; ++i) out[i] = static_cast<float>(((packed[i] & 0xf) ^ 8) - 8) * scale;
    for (size_t i = 0; i < kHalf; ++i) out[kHalf + i] = static_cast<float>(((packed[i] >> 4) ^ 8) - 8) * scale;
  }
}

/// The part of x that meets a block, `count` columns of it and then zeros: as it is for bytes; for nibbles the even
/// columns and then the odd ones, as these come apart together. `room` is for where it cannot be x itself.
template <unsigned kBits>
AMK_INLINE const float* arranged(const float* x, size_t count, float* __restrict room) {
  if (kBits == 8 && count == kBlock) return x;
  float padded[kBlock] = {};
  if (count < kBlock) {
    std::copy(x, x + count, padded);
    x = padded;
  }
  constexpr size_t kHalf = kBlock / 2;
  for (size_t i = 0; i < kHalf; ++i) {
    room[kBits == 8 ? 2 * i : i] = x[2 * i];
    room[kBits == 8 ? 2 * i + 1 : kHalf + i] = x[2 * i + 1];
  }
  return room;
}

/// lanes[r][l] += values[r][c] * x[c] for every c of a block whose remainder by kLanes is l, ascending.
template <size_t kRows>
AMK_INLINE void multiply_add(const float (*values)[kBlock], const float* x, float (*lanes)[kLanes]) {
  for (size_t column = 0; column < kBlock; column += kLanes) {
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        lanes[row][lane] += values[row][column + lane] * x[column + lane];
      }
    }
  }
}

/// sums[r] = row r . x over columns [begin, end), begin a multiple of kBlock.
template <unsigned kBits, size_t kRows>
AMK_INLINE void dot_chunk(const std::byte* data, const Layout& layout, const float* x, size_t begin, size_t end,
                          float* sums) {
  float lanes[kRows][kLanes] = {};
  float values[kRows][kBlock];
  for (size_t column = begin; column < end; column += kBlock) {
    for (size_t row = 0; row < kRows; ++row) {
      const std::byte* from = data + row * layout.row_bytes;
      widen_block<kBits>(from, column / kBlock, scale_of(from, layout, column / kBlock), values[row]);
    }
    float room[kBlock];
    multiply_add<kRows>(values, arranged<kBits>(x + column, std::min(kBlock, end - column), room), lanes);
  }
  for (size_t row = 0; row < kRows; ++row) sums[row] = sum_of_lanes(lanes[row]);
}

template <unsigned kBits, size_t kRows>
AMK_INLINE void dot_row_group(const std::byte* data, const Layout& layout, size_t columns, size_t k_chunk,
                              const float* x, float* out) {
  dot_chunk<kBits, kRows>(data, layout, x, 0, std::min(k_chunk, columns), out);
  for (size_t begin = k_chunk; begin < columns; begin += k_chunk) {
    float sums[kRows];
    dot_chunk<kBits, kRows>(data, layout, x, begin, std::min(begin + k_chunk, columns), sums);
    for (size_t row = 0; row < kRows; ++row) out[row] += sums[row];
  }
}

template <unsigned kBits>
AMK_INLINE void dot_rows_of(const std::byte* data, const Layout& layout, size_t columns, size_t row_count,
                            size_t k_chunk, const float* x, float* out) {
  size_t row = 0;
  for (; row + kRowsAtOnce <= row_count; row += kRowsAtOnce) {
    dot_row_group<kBits, kRowsAtOnce>(data + row * layout.row_bytes, layout, columns, k_chunk, x, out + row);
  }
  for (; row < row_count; ++row) {
    dot_row_group<kBits, 1>(data + row * layout.row_bytes, layout, columns, k_chunk, x, out + row);
  }
}

AMK_KERNEL void dot_int8(const std::byte* data, const Layout& layout, size_t columns, size_t row_count, size_t k_chunk,
                         const float* x, float* out) {
  dot_rows_of<8>(data, layout, columns, row_count, k_chunk, x, out);
}

AMK_KERNEL void dot_int4(const std::byte* data, const Layout& layout, size_t columns, size_t row_count, size_t k_chunk,
                         const float* x, float* out) {
  dot_rows_of<4>(data, layout, columns, row_count, k_chunk, x, out);
}

}  // namespace

void dot_quantised_rows(const QuantisedRows& rows, size_t row_count, size_t k_chunk, const float* x, float* out) {
  AMK_ASSERT(k_chunk % abi::kPackedColumns == 0, "the contract wants whole packs of a quantised matrix");
  const auto dot = abi::dtype_bits(rows.dtype) == 8 ? dot_int8 : dot_int4;
  dot(rows.data, layout_of(rows), rows.columns, row_count, k_chunk, x, out);
}

void widen_quantised(const QuantisedRows& rows, size_t begin, size_t count, float* out) {
  const Layout layout = layout_of(rows);
  const bool bytes = abi::dtype_bits(rows.dtype) == 8;
  for (size_t c = begin; c < begin + count; ++c) {
    const auto stored = static_cast<unsigned>(rows.data[bytes ? c : c / 2]);
    const unsigned nibble = c % 2 == 0 ? stored & 0xfU : stored >> 4U;
    const int element = bytes ? static_cast<int8_t>(stored) : static_cast<int>(nibble ^ 8U) - 8;
    out[c - begin] = static_cast<float>(element) * scale_of(rows.data, layout, c / kBlock);
  }
}

}  // namespace amk::instructions
