// Rows of weights as they are stored, and their float32 products: the arithmetic under the oracle.
//
// Owns the one order in which the oracle sums, which depends on the row's length alone: not on the thread, on how many
// vectors are multiplied at once, or on the processor. Must be built with -ffp-contract=off, or the last would not
// hold.
#pragma once

#include <cstddef>
#include <span>

#include "abi/dtype.h"

namespace amk::eval {

/// A borrowed row-major matrix: of kF32, kF16 or kBf16, aligned to its element size, or quantised (abi/dtype.h).
struct StoredRows {
  abi::Dtype dtype = abi::Dtype::kF32;
  const std::byte* data = nullptr;
  size_t columns = 0;  ///< elements of a row
  size_t stride = 0;   ///< elements from one row to the next; quantised rows follow each other
};

/// Borrowed float32 vectors [count][columns].
struct Vectors {
  const float* data = nullptr;
  size_t stride = 0;  ///< elements from one vector to the next
  size_t count = 0;
};

/// Row `row` widened to float32, exactly: out[columns].
void widen_row(const StoredRows& rows, size_t row, float* out);

/// For every row in [begin, end) and vector v: out[v * out_stride + row] = the dot product of the two. Each of 32 lanes
/// sums every 32nd product in float32; the lanes are combined in double. `scratch` [columns] holds a widened row; it
/// may be empty where the rows are kF32, or where there is one vector and they are not quantised.
void row_dots(const StoredRows& rows, size_t begin, size_t end, const Vectors& vectors, std::span<float> scratch,
              float* out, size_t out_stride);

/// Rounds every value to the nearest number of `dtype` (kF32, kF16, kBf16), the even one of two; what is too large
/// becomes infinity.
void round_all(abi::Dtype dtype, std::span<float> values);

/// sums[c] += weights[r] * rows[r][c], r in [0, count) ascending, in double. `rows` is float32, `stride` apart.
void add_weighted_rows(const float* rows, size_t stride, const float* weights, size_t count, std::span<double> sums);

}  // namespace amk::eval
