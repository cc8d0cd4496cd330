#include "eval/stored_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "base/float_formats.h"

// One copy of each marked function per instruction set, the best one picked when the program is loaded. Every copy
// computes the same bits: the lanes are explicit and products are rounded before they are added. The pick runs before
// the thread sanitizer's runtime is up and would crash there, so that build has the plain copy only; clang 14 does not
// know these names.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define AMK_EVERY_X86 __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AMK_EVERY_X86
#endif

// What a marked function calls must become part of each of its copies.
#define AMK_INLINE [[gnu::always_inline]] inline

namespace amk::eval {
namespace {

constexpr size_t kLanes = 32;
constexpr size_t kHalf = kLanes / 2;

/// Vectors that share one pass over a row: their lanes fit the registers.
constexpr size_t kVectorsAtOnce = 4;

using HalfLanes [[gnu::vector_size(kHalf * sizeof(float))]] = float;
using Quarter [[gnu::vector_size(kLanes / 4 * sizeof(float))]] = float;
using WideQuarter [[gnu::vector_size(kLanes / 4 * sizeof(double))]] = double;

struct Lanes {
  HalfLanes low;
  HalfLanes high;
};

struct F16 {
  uint16_t bits;
};
struct Bf16 {
  uint16_t bits;
};

AMK_INLINE float widen(float value) { return value; }
AMK_INLINE float widen(F16 value) { return f16_to_f32(value.bits); }
AMK_INLINE float widen(Bf16 value) { return bf16_to_f32(value.bits); }

// Halves are copied one by one: each then is a register, where the pair would be memory.
AMK_INLINE void load(const float* from, Lanes& to) {
  std::memcpy(&to.low, from, sizeof(to.low));
  std::memcpy(&to.high, from + kHalf, sizeof(to.high));
}

AMK_INLINE void load_widened(const float* from, Lanes& to) { load(from, to); }

template <typename W>
AMK_INLINE void load_widened(const W* from, Lanes& to) {
  float wide[kLanes];
  for (size_t lane = 0; lane < kLanes; ++lane) wide[lane] = widen(from[lane]);
  load(wide, to);
}

/// The last `count` < kLanes elements, the rest zero.
template <typename W>
AMK_INLINE void load_tail(const W* from, size_t count, Lanes& to) {
  float wide[kLanes] = {};
  for (size_t lane = 0; lane < count; ++lane) wide[lane] = widen(from[lane]);
  load(wide, to);
}

AMK_INLINE void multiply_add(const Lanes& a, const Lanes& b, Lanes& sum) {
  sum.low += a.low * b.low;
  sum.high += a.high * b.high;
}

AMK_INLINE float combine(const Lanes& lanes) {
  Quarter quarters[4];
  std::memcpy(&quarters[0], &lanes.low, sizeof(lanes.low));
  std::memcpy(&quarters[2], &lanes.high, sizeof(lanes.high));
  const WideQuarter s =
      (__builtin_convertvector(quarters[0], WideQuarter) + __builtin_convertvector(quarters[1], WideQuarter)) +
      (__builtin_convertvector(quarters[2], WideQuarter) + __builtin_convertvector(quarters[3], WideQuarter));
  return static_cast<float>(((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7])));
}

/// out[v * out_stride] = row . (vectors + v * stride), for v below kCount.
template <size_t kCount, typename W>
AMK_INLINE void dots(const W* row, size_t columns, const float* vectors, size_t stride, float* out, size_t out_stride) {
  Lanes sums[kCount];
  // The unrolling is what lets the sums live in registers.
#pragma GCC unroll 4
  for (size_t v = 0; v < kCount; ++v) sums[v] = Lanes{};
  const size_t whole = columns - columns % kLanes;
  Lanes weights;
  Lanes inputs;
  for (size_t c = 0; c < whole; c += kLanes) {
    load_widened(row + c, weights);
#pragma GCC unroll 4
    for (size_t v = 0; v < kCount; ++v) {
      load(vectors + v * stride + c, inputs);
      multiply_add(weights, inputs, sums[v]);
    }
  }
  if (whole < columns) {
    load_tail(row + whole, columns - whole, weights);
#pragma GCC unroll 4
    for (size_t v = 0; v < kCount; ++v) {
      load_tail(vectors + v * stride + whole, columns - whole, inputs);
      multiply_add(weights, inputs, sums[v]);
    }
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < kCount; ++v) out[v * out_stride] = combine(sums[v]);
}

/// The row widened: itself, or a copy in `scratch`.
AMK_INLINE const float* widened(const float* row, size_t, float*) { return row; }

template <typename W>
AMK_INLINE const float* widened(const W* row, size_t columns, float* scratch) {
  for (size_t c = 0; c < columns; ++c) scratch[c] = widen(row[c]);
  return scratch;
}

/// The rows [0, count): a row leaves memory once, however many vectors there are.
template <typename W>
AMK_INLINE void all_dots(const W* row, size_t count, size_t columns, size_t row_stride, const Vectors& vectors,
                         float* scratch, float* out, size_t out_stride) {
  for (size_t r = 0; r < count; ++r, row += row_stride, ++out) {
    if (vectors.count == 1) {
      dots<1>(row, columns, vectors.data, vectors.stride, out, out_stride);
      continue;
    }
    const float* wide = widened(row, columns, scratch);
    size_t v = 0;
    for (; v + kVectorsAtOnce <= vectors.count; v += kVectorsAtOnce) {
      dots<kVectorsAtOnce>(wide, columns, vectors.data + v * vectors.stride, vectors.stride, out + v * out_stride,
                           out_stride);
    }
    for (; v < vectors.count; ++v) {
      dots<1>(wide, columns, vectors.data + v * vectors.stride, vectors.stride, out + v * out_stride, out_stride);
    }
  }
}

template <typename W>
const W* row_data(const StoredRows& rows, size_t row) {
  return reinterpret_cast<const W*>(rows.data) + row * rows.stride;
}

}  // namespace

// Not in the unnamed namespace: a function with copies needs a name that the loader can see.
namespace row_kernels {

AMK_EVERY_X86 void f32(const float* row, size_t count, size_t columns, size_t row_stride, const Vectors& vectors,
                       float* scratch, float* out, size_t out_stride) {
  all_dots(row, count, columns, row_stride, vectors, scratch, out, out_stride);
}

AMK_EVERY_X86 void f16(const uint16_t* row, size_t count, size_t columns, size_t row_stride, const Vectors& vectors,
                       float* scratch, float* out, size_t out_stride) {
  all_dots(reinterpret_cast<const F16*>(row), count, columns, row_stride, vectors, scratch, out, out_stride);
}

AMK_EVERY_X86 void bf16(const uint16_t* row, size_t count, size_t columns, size_t row_stride, const Vectors& vectors,
                        float* scratch, float* out, size_t out_stride) {
  all_dots(reinterpret_cast<const Bf16*>(row), count, columns, row_stride, vectors, scratch, out, out_stride);
}

/// out[i] = elements[i] * scale.
AMK_EVERY_X86 void int8(const int8_t* __restrict elements, size_t count, float scale, float* __restrict out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(elements[i]) * scale;
}

/// The same of two elements a byte, the first in the low half: bits 0 to 2 count up, bit 3 counts -8.
AMK_EVERY_X86 void int4(const uint8_t* __restrict bytes, size_t count, float scale, float* __restrict out) {
  for (size_t i = 0; i < count; ++i) {
    const int element = bytes[i / 2] >> (i % 2 * 4);
    out[i] = static_cast<float>((element & 7) - (element & 8)) * scale;
  }
}

AMK_EVERY_X86 void weighted(const float* __restrict rows, size_t stride, const float* __restrict weights, size_t count,
                            double* __restrict sums, size_t columns) {
  for (size_t r = 0; r < count; ++r) {
    const double weight = weights[r];
    for (size_t c = 0; c < columns; ++c) sums[c] += weight * static_cast<double>(rows[r * stride + c]);
  }
}

}  // namespace row_kernels

namespace {

/// A quantised row widened: out[columns].
void widen_quantised_row(const StoredRows& rows, size_t row, float* out) {
  const size_t columns = rows.columns;
  const unsigned bits = abi::dtype_bits(rows.dtype);
  const auto* data = reinterpret_cast<const uint8_t*>(rows.data) + row * abi::row_bytes(rows.dtype, columns);
  const uint8_t* scale = data + abi::row_element_bytes(rows.dtype, columns);
  const size_t group = std::min<size_t>(abi::dtype_group(rows.dtype), columns);
  for (size_t begin = 0; begin < columns; begin += group, scale += 2) {
    const float value = bf16_to_f32(static_cast<uint16_t>(scale[0] + 256 * scale[1]));
    const size_t count = std::min(group, columns - begin);
    if (bits == 8) {
      row_kernels::int8(reinterpret_cast<const int8_t*>(data) + begin, count, value, out + begin);
    } else {
      row_kernels::int4(data + begin / 2, count, value, out + begin);
    }
  }
}

}  // namespace

void widen_row(const StoredRows& rows, size_t row, float* out) {
  switch (rows.dtype) {
    case abi::Dtype::kF32:
      std::copy_n(row_data<float>(rows, row), rows.columns, out);
      return;
    case abi::Dtype::kF16:
      widened(row_data<F16>(rows, row), rows.columns, out);
      return;
    case abi::Dtype::kBf16:
      widened(row_data<Bf16>(rows, row), rows.columns, out);
      return;
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      return widen_quantised_row(rows, row, out);
    case abi::Dtype::kU32:
      break;
  }
  assertion_failed("dtype", "weights are stored as floats", __FILE__, __LINE__);
}

void row_dots(const StoredRows& rows, size_t begin, size_t end, const Vectors& vectors, std::span<float> scratch,
              float* out, size_t out_stride) {
  const bool in_place = rows.dtype == abi::Dtype::kF32 || (!abi::is_quantised(rows.dtype) && vectors.count <= 1);
  AMK_ASSERT(in_place || scratch.size() >= rows.columns, "a widened row fits the scratch");
  if (abi::is_quantised(rows.dtype)) {
    for (size_t row = begin; row < end; ++row) {
      widen_quantised_row(rows, row, scratch.data());
      row_kernels::f32(scratch.data(), 1, rows.columns, 0, vectors, nullptr, out + row, out_stride);
    }
    return;
  }
  const size_t count = end - begin;
  switch (rows.dtype) {
    case abi::Dtype::kF32:
      return row_kernels::f32(row_data<float>(rows, begin), count, rows.columns, rows.stride, vectors, scratch.data(),
                              out + begin, out_stride);
    case abi::Dtype::kF16:
      return row_kernels::f16(row_data<uint16_t>(rows, begin), count, rows.columns, rows.stride, vectors,
                              scratch.data(), out + begin, out_stride);
    case abi::Dtype::kBf16:
      return row_kernels::bf16(row_data<uint16_t>(rows, begin), count, rows.columns, rows.stride, vectors,
                               scratch.data(), out + begin, out_stride);
    case abi::Dtype::kU32:
    case abi::Dtype::kI8G64:
    case abi::Dtype::kI8G128:
    case abi::Dtype::kI8Row:
    case abi::Dtype::kI4G64:
    case abi::Dtype::kI4G128:
    case abi::Dtype::kI4Row:
      break;
  }
  assertion_failed("dtype", "weights are stored as floats", __FILE__, __LINE__);
}

void round_all(abi::Dtype dtype, std::span<float> values) {
  if (dtype == abi::Dtype::kF32) return;
  const bool is_f16 = dtype == abi::Dtype::kF16;
  const int digits = is_f16 ? 10 : 7;        // after the leading one
  const int smallest = is_f16 ? -24 : -133;  // exponent of the least number above 0
  const double limit = is_f16 ? 65504.0 : 0x1.fep127;
  for (float& value : values) {
    if (value == 0.0F || !std::isfinite(value)) continue;
    const int unit = std::max(std::ilogb(value) - digits, smallest);
    const double rounded = std::ldexp(std::nearbyint(std::ldexp(double{value}, -unit)), unit);
    value = std::abs(rounded) > limit ? std::copysign(INFINITY, value) : static_cast<float>(rounded);
  }
}

void add_weighted_rows(const float* rows, size_t stride, const float* weights, size_t count, std::span<double> sums) {
  row_kernels::weighted(rows, stride, weights, count, sums.data(), sums.size());
}

}  // namespace amk::eval
