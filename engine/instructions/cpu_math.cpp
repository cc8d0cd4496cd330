#include "instructions/cpu_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "instructions/cpu_kernel.h"
#include "instructions/cpu_quantised.h"

namespace amk::instructions {

namespace {

/// sums[r] = rows[r * pitch ..] . x over `count` columns.
template <abi::Dtype kDtype, size_t kRows>
AMK_INLINE void dot_chunk(const typename ElementTraits<kDtype>::Storage* rows, size_t pitch, const float* x,
                          size_t count, float* sums) {
  float lanes[kRows][kLanes] = {};
  size_t column = 0;
  for (; column + kLanes <= count; column += kLanes) {
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        lanes[row][lane] += ElementTraits<kDtype>::widen(rows[row * pitch + column + lane]) * x[column + lane];
      }
    }
  }
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t lane = 0; column + lane < count; ++lane) {
      lanes[row][lane] += ElementTraits<kDtype>::widen(rows[row * pitch + column + lane]) * x[column + lane];
    }
    sums[row] = sum_of_lanes(lanes[row]);
  }
}

template <abi::Dtype kDtype, size_t kRows>
AMK_INLINE void dot_row_group(const typename ElementTraits<kDtype>::Storage* rows, size_t columns, size_t k_chunk,
                              const float* x, float* out) {
  dot_chunk<kDtype, kRows>(rows, columns, x, std::min(k_chunk, columns), out);
  for (size_t begin = k_chunk; begin < columns; begin += k_chunk) {
    float sums[kRows];
    dot_chunk<kDtype, kRows>(rows + begin, columns, x + begin, std::min(k_chunk, columns - begin), sums);
    for (size_t row = 0; row < kRows; ++row) out[row] += sums[row];
  }
}

template <abi::Dtype kDtype>
AMK_INLINE void dot_rows_of(const std::byte* data, size_t columns, size_t row_count, size_t k_chunk, const float* x,
                            float* out) {
  const auto* rows = reinterpret_cast<const typename ElementTraits<kDtype>::Storage*>(data);
  size_t row = 0;
  for (; row + kRowsAtOnce <= row_count; row += kRowsAtOnce) {
    dot_row_group<kDtype, kRowsAtOnce>(rows + row * columns, columns, k_chunk, x, out + row);
  }
  for (; row < row_count; ++row) dot_row_group<kDtype, 1>(rows + row * columns, columns, k_chunk, x, out + row);
}

AMK_KERNEL void dot_rows_kernel(abi::Dtype dtype, const std::byte* data, size_t columns, size_t row_count,
                                size_t k_chunk, const float* x, float* out) {
  switch (dtype) {
    case abi::Dtype::kF32:
      return dot_rows_of<abi::Dtype::kF32>(data, columns, row_count, k_chunk, x, out);
    case abi::Dtype::kF16:
      return dot_rows_of<abi::Dtype::kF16>(data, columns, row_count, k_chunk, x, out);
    case abi::Dtype::kBf16:
      return dot_rows_of<abi::Dtype::kBf16>(data, columns, row_count, k_chunk, x, out);
    case abi::Dtype::kU32:
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return;
  }
}

template <abi::Dtype kDtype>
AMK_INLINE void widen_of(const std::byte* stored, size_t count, float* out) {
  const auto* elements = reinterpret_cast<const typename ElementTraits<kDtype>::Storage*>(stored);
  for (size_t i = 0; i < count; ++i) out[i] = ElementTraits<kDtype>::widen(elements[i]);
}

template <abi::Dtype kDtype>
AMK_INLINE void scale_of(const float* x, float factor, const std::byte* norm, size_t size, float* out) {
  const auto* weights = reinterpret_cast<const typename ElementTraits<kDtype>::Storage*>(norm);
  for (size_t i = 0; i < size; ++i) out[i] = x[i] * factor * ElementTraits<kDtype>::widen(weights[i]);
}

AMK_KERNEL void scale_kernel(abi::Dtype dtype, const float* x, float factor, const std::byte* norm, size_t size,
                             float* out) {
  switch (dtype) {
    case abi::Dtype::kF32:
      return scale_of<abi::Dtype::kF32>(x, factor, norm, size, out);
    case abi::Dtype::kF16:
      return scale_of<abi::Dtype::kF16>(x, factor, norm, size, out);
    case abi::Dtype::kBf16:
      return scale_of<abi::Dtype::kBf16>(x, factor, norm, size, out);
    case abi::Dtype::kU32:
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return;
  }
}

AMK_KERNEL float sum_of_squares(const float* x, size_t size) {
  float sum = 0.0F;
  dot_chunk<abi::Dtype::kF32, 1>(x, size, x, size, &sum);
  return sum;
}

/// values[i] += sum of weights[t] * rows[t, i], t ascending.
AMK_KERNEL void add_weighted_rows(const float* rows, const float* weights, size_t count, size_t head_dim,
                                  float* __restrict values) {
  size_t t = 0;
  for (; t + kRowsAtOnce <= count; t += kRowsAtOnce) {
    const float* row = rows + t * head_dim;
    const float w0 = weights[t], w1 = weights[t + 1], w2 = weights[t + 2], w3 = weights[t + 3];
    for (size_t i = 0; i < head_dim; ++i) {
      values[i] = (((values[i] + w0 * row[i]) + w1 * row[head_dim + i]) + w2 * row[2 * head_dim + i]) +
                  w3 * row[3 * head_dim + i];
    }
  }
  for (; t < count; ++t) {
    const float* row = rows + t * head_dim;
    for (size_t i = 0; i < head_dim; ++i) values[i] += weights[t] * row[i];
  }
}

}  // namespace

void dot_rows(const MatrixView& matrix, size_t row_begin, size_t row_count, size_t k_chunk, const float* x,
              float* out) {
  if (abi::is_quantised(matrix.dtype)) {
    return dot_quantised_rows({matrix.dtype, matrix.row(row_begin), matrix.columns}, row_count, k_chunk, x, out);
  }
  dot_rows_kernel(matrix.dtype, matrix.row(row_begin), matrix.columns, row_count, k_chunk, x, out);
}

void widen_columns(const MatrixView& matrix, size_t row, size_t begin, size_t count, float* out) {
  if (abi::is_quantised(matrix.dtype)) {
    return widen_quantised({matrix.dtype, matrix.row(row), matrix.columns}, begin, count, out);
  }
  widen(matrix.dtype, matrix.row(row) + begin * abi::dtype_bytes(matrix.dtype), count, out);
}

void widen(abi::Dtype dtype, const std::byte* stored, size_t count, float* out) {
  switch (dtype) {
    case abi::Dtype::kF32:
      return widen_of<abi::Dtype::kF32>(stored, count, out);
    case abi::Dtype::kF16:
      return widen_of<abi::Dtype::kF16>(stored, count, out);
    case abi::Dtype::kBf16:
      return widen_of<abi::Dtype::kBf16>(stored, count, out);
    case abi::Dtype::kU32:
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return;
  }
}

void store_rounded(abi::Dtype dtype, const float* values, size_t count, std::byte* stored) {
  if (dtype == abi::Dtype::kF32) {
    std::copy_n(values, count, reinterpret_cast<float*>(stored));
    return;
  }
  auto* bits = reinterpret_cast<uint16_t*>(stored);
  const bool is_f16 = dtype == abi::Dtype::kF16;
  for (size_t i = 0; i < count; ++i) bits[i] = is_f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
}

void rms_normalise(const float* x, abi::Dtype dtype, const std::byte* norm, size_t size, float eps, float* out) {
  const float mean_square = sum_of_squares(x, size) / static_cast<float>(size);
  scale_kernel(dtype, x, 1.0F / std::sqrt(mean_square + eps), norm, size, out);
}

Rotation rotation(float inv_freq, uint32_t position) {
  // The product is rounded to float32, as the reference implementation's is; only then is double's accuracy of use.
  const float angle = inv_freq * static_cast<float>(position);
  return {static_cast<float>(std::cos(double{angle})), static_cast<float>(std::sin(double{angle}))};
}

float silu(float x) { return x / (1.0F + std::exp(-x)); }

void RunningSoftmax::clear() const {
  std::fill_n(values, head_dim, 0.0F);
  maximum() = -std::numeric_limits<float>::infinity();
  sum() = 0.0F;
}

void RunningSoftmax::add(float* scores, const float* rows, size_t count) const {
  if (count == 0) return;
  float top = maximum();
  for (size_t t = 0; t < count; ++t) {
    if (scores[t] > top) top = scores[t];
  }
  // Nothing was counted yet while the sum is 0; exp(-inf - -inf) must not make a NaN of it.
  const float correction = sum() == 0.0F ? 0.0F : std::exp(maximum() - top);
  float added = 0.0F;
  for (size_t t = 0; t < count; ++t) {
    scores[t] = std::exp(scores[t] - top);
    added += scores[t];
  }
  if (correction != 1.0F) {
    for (size_t i = 0; i < head_dim; ++i) values[i] *= correction;
  }
  add_weighted_rows(rows, scores, count, head_dim, values);
  sum() = sum() * correction + added;
  maximum() = top;
}

void combine_head(const float* partials, size_t splits, size_t head_dim, float* out) {
  const size_t pitch = head_dim + 2;
  float top = -std::numeric_limits<float>::infinity();
  for (size_t split = 0; split < splits; ++split) {
    const float* partial = partials + split * pitch;
    if (partial[head_dim + 1] != 0.0F && partial[head_dim] > top) top = partial[head_dim];
  }
  std::fill_n(out, head_dim, 0.0F);
  float sum = 0.0F;
  for (size_t split = 0; split < splits; ++split) {
    const float* partial = partials + split * pitch;
    if (partial[head_dim + 1] == 0.0F) continue;
    const float weight = std::exp(partial[head_dim] - top);
    sum += weight * partial[head_dim + 1];
    add_weighted_rows(partial, &weight, 1, head_dim, out);
  }
  for (size_t i = 0; i < head_dim; ++i) out[i] /= sum;
}

}  // namespace amk::instructions
