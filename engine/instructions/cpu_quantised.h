// Products with quantised rows, and single values of them: what cpu_math.h does where a matrix is quantised.
#pragma once

#include <cstddef>

#include "abi/dtype.h"

namespace amk::instructions {

/// Quantised rows that follow each other (abi/dtype.h has their layout).
struct QuantisedRows {
  abi::Dtype dtype = abi::Dtype::kI8Row;
  const std::byte* data = nullptr;
  size_t columns = 0;
};

/// out[r] = sum over c of (element x scale)[r, c] * x[c], r in [0, row_count): every value is made float32, which is
/// exact, and then summed as dot_rows() sums. k_chunk is a multiple of abi::kPackedColumns.
void dot_quantised_rows(const QuantisedRows& rows, size_t row_count, size_t k_chunk, const float* x, float* out);

/// out[i] = value of column begin + i of the first row, i in [0, count).
void widen_quantised(const QuantisedRows& rows, size_t begin, size_t count, float* out);

}  // namespace amk::instructions
