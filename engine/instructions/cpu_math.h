// The arithmetic that CPU bodies share: products with stored matrices, normalisation, rotation, softmax pieces.
//
// Knows vectors and matrices, no operands and no tasks. Every sum is float32 in an order that depends on the lengths
// alone, without fused multiply-adds, so that all machines give the same bits; a NaN in an input reaches what is
// computed from it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/tables.h"
#include "base/float_formats.h"

namespace amk::instructions {

/// How an element of a stored float type is kept and widened. A dtype that holds no float has none.
template <abi::Dtype kDtype>
struct ElementTraits;
template <>
struct ElementTraits<abi::Dtype::kF32> {
  using Storage = float;
  static float widen(Storage value) { return value; }
};
template <>
struct ElementTraits<abi::Dtype::kF16> {
  using Storage = uint16_t;
  static float widen(Storage bits) { return f16_to_f32(bits); }
};
template <>
struct ElementTraits<abi::Dtype::kBf16> {
  using Storage = uint16_t;
  static float widen(Storage bits) { return bf16_to_f32(bits); }
};

/// A borrowed row-major matrix [.., columns] of a stored float type, or quantised.
struct MatrixView {
  abi::Dtype dtype = abi::Dtype::kF32;
  const std::byte* data = nullptr;
  size_t columns = 0;

  [[nodiscard]] const std::byte* row(size_t r) const { return data + r * abi::row_bytes(dtype, columns); }
};

/// out[r] = matrix[row_begin + r, :] . x for r in [0, row_count). x has matrix.columns elements. Each k_chunk of
/// columns is summed on its own, and the sums of the chunks are added in order. A row's sum does not depend on which
/// other rows are asked for with it. Where the matrix is quantised, k_chunk is a multiple of abi::kPackedColumns.
void dot_rows(const MatrixView& matrix, size_t row_begin, size_t row_count, size_t k_chunk, const float* x, float* out);

/// out[i] = float32(matrix[row, begin + i]) for i in [0, count).
void widen_columns(const MatrixView& matrix, size_t row, size_t begin, size_t count, float* out);

/// out[i] = float32(stored[i]) for i in [0, count), of a stored float type.
void widen(abi::Dtype dtype, const std::byte* stored, size_t count, float* out);

/// stored[i] = values[i] as `dtype`, a float type, to nearest even; too large for f16 becomes infinity.
void store_rounded(abi::Dtype dtype, const float* values, size_t count, std::byte* stored);

/// out[i] = x[i] / sqrt(mean(x^2) + eps) * norm[i] for i in [0, size). `out` may be `x`.
void rms_normalise(const float* x, abi::Dtype dtype, const std::byte* norm, size_t size, float eps, float* out);

/// Cosine and sine of the float32 angle inv_freq x position, each correct to float32.
struct Rotation {
  float cos = 1.0F;
  float sin = 0.0F;
};
[[nodiscard]] Rotation rotation(float inv_freq, uint32_t position);

/// x / (1 + exp(-x)).
[[nodiscard]] float silu(float x);

/// One query head over some positions, as it stands: the layout of a row of attention partials. `values` has head_dim
/// elements, followed by the running maximum of the scores and the sum of exp(score - maximum).
struct RunningSoftmax {
  float* values = nullptr;
  size_t head_dim = 0;

  [[nodiscard]] float& maximum() const { return values[head_dim]; }
  [[nodiscard]] float& sum() const { return values[head_dim + 1]; }
  /// No position seen: values 0, maximum -inf, sum 0.
  void clear() const;
  /// Takes in `count` positions: `scores` float32[count] becomes their weights; rows float32[count, head_dim].
  void add(float* scores, const float* rows, size_t count) const;
};

/// Joins `splits` partials of one head, float32[splits, head_dim + 2], as combine/combine.h says. out has head_dim
/// elements.
void combine_head(const float* partials, size_t splits, size_t head_dim, float* out);

}  // namespace amk::instructions
