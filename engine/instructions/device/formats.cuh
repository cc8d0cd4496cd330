// Weight formats: how a unit (8 rows of 64 or 128 columns) is multiplied by the staged input.
//
// A Product<format, tensor cores?> has: Sum, a lane's share of 8 rows' sums; stage(), which writes input values where
// multiply() reads them; multiply(), which adds one unit; write(), which adds up the warp's shares into float[8]. A
// warp multiplies exactly the units whose input it has staged.
#pragma once

#include "instructions/device/block.cuh"

namespace amk::device {

/// The float of a bfloat16 in the lower or the upper half of a word.
__device__ __forceinline__ float low_bf16(uint32_t word) { return __uint_as_float(word << 16); }
__device__ __forceinline__ float high_bf16(uint32_t word) { return __uint_as_float(word & 0xffff0000U); }

/// The float of a binary16 (PTX ISA, "cvt").
__device__ __forceinline__ float widen_f16(uint16_t bits) {
  float value;
  asm("{ .reg .f16 h; mov.b16 h, %1; cvt.f32.f16 %0, h; }" : "=f"(value) : "h"(bits));
  return value;
}
__device__ __forceinline__ float low_f16(uint32_t word) { return widen_f16(static_cast<uint16_t>(word)); }
__device__ __forceinline__ float high_f16(uint32_t word) { return widen_f16(static_cast<uint16_t>(word >> 16)); }

/// Rounds to nearest even, as bits.
__device__ __forceinline__ uint16_t narrow_bf16(float value) {
#if __CUDA_ARCH__ >= 800
  uint16_t narrow;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow) : "f"(value));
  return narrow;
#else
  const uint32_t bits = __float_as_uint(value);
  if (value != value) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
#endif
}
#if __CUDA_ARCH__ >= 800
/// As narrow_bf16(), of two values: the first in the lower half (PTX ISA, "cvt").
__device__ __forceinline__ uint32_t narrow_bf16_pair(float low, float high) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
#endif
__device__ __forceinline__ uint16_t narrow_f16(float value) {
  uint16_t bits;
  asm("{ .reg .f16 h; cvt.rn.f16.f32 h, %1; mov.b16 %0, h; }" : "=h"(bits) : "f"(value));
  return bits;
}

/// Byte within a unit of the element in row `row` (of 8) and column `column` of the unit; of int4, of its byte.
template <WeightFormat kFormat>
__device__ __forceinline__ uint32_t element_offset(uint32_t row, uint32_t column) {
  if constexpr (kFormat == WeightFormat::kF32) {
    return column / 16 * 512 + (row * 4 + column % 16 / 4) * 16 + column % 4 * 4;
  } else if constexpr (!is_quantised(kFormat)) {
    return column / 32 * 512 + (row * 4 + column % 32 / 8) * 16 + column % 8 * 2;
  } else if constexpr (!is_int4(kFormat)) {
    return column / 64 * 512 + (row * 4 + column % 64 / 16) * 16 + column % 16;
  } else {
    // A word's low nibbles are its first four columns, its high nibbles the next four.
    return (row * 4 + column / 32) * 16 + column % 32 / 8 * 4 + column % 4;
  }
}
/// The scale of a row's group, of a quantised unit.
template <WeightFormat kFormat>
__device__ __forceinline__ float scale_of(const unsigned char* unit, uint32_t row, uint32_t column) {
  const uint32_t at = column / group_columns(kFormat) * kTileRows + row;
  const auto* scales = reinterpret_cast<const uint16_t*>(unit + unit_element_bytes(kFormat));
  return __uint_as_float(static_cast<uint32_t>(scales[at]) << 16);
}
/// One element of a packed matrix, widened.
template <WeightFormat kFormat>
__device__ __forceinline__ float element(const unsigned char* unit, uint32_t row, uint32_t column) {
  const unsigned char* at = unit + element_offset<kFormat>(row, column);
  if constexpr (kFormat == WeightFormat::kF32) {
    return *reinterpret_cast<const float*>(at);
  } else if constexpr (kFormat == WeightFormat::kF16) {
    return widen_f16(*reinterpret_cast<const uint16_t*>(at));
  } else if constexpr (kFormat == WeightFormat::kBf16) {
    return __uint_as_float(static_cast<uint32_t>(*reinterpret_cast<const uint16_t*>(at)) << 16);
  } else if constexpr (!is_int4(kFormat)) {
    return static_cast<float>(static_cast<signed char>(*at)) * scale_of<kFormat>(unit, row, column);
  } else {
    const int shift = column % 8 < 4 ? 28 : 24;
    return static_cast<float>(static_cast<int>(static_cast<uint32_t>(*at) << shift) >> 28) *
           scale_of<kFormat>(unit, row, column);
  }
}

/// On the float32 units: the input is float32, a lane multiplies its row's elements one after another.
template <WeightFormat kFormat, bool kTensorCores>
struct Product {
  static constexpr uint32_t kColumns = unit_columns(kFormat);
  static constexpr uint32_t kLaneColumns = kColumns / 32;  ///< columns of a unit that a lane stages

  struct Sum {
    float value = 0;
  };

  __device__ static __forceinline__ void stage(unsigned char* area, uint32_t unit, uint32_t lane,
                                               const float (&x)[kLaneColumns]) {
    auto* to = reinterpret_cast<float2*>(area) + (unit * kColumns + lane * kLaneColumns) / 2;
    for (uint32_t i = 0; i < kLaneColumns / 2; ++i) to[i] = make_float2(x[2 * i], x[2 * i + 1]);
  }

  __device__ static __forceinline__ void multiply(Sum& sum, const unsigned char* unit, const unsigned char* area,
                                                  uint32_t number, uint32_t lane) {
    const uint32_t row = lane / 4, q = lane % 4;
    const float* x = reinterpret_cast<const float*>(area) + number * kColumns;
    if constexpr (kFormat == WeightFormat::kF32) {
#pragma unroll
      for (uint32_t block = 0; block < 4; ++block) {
        const float4 w = *reinterpret_cast<const float4*>(unit + block * 512 + lane * 16);
        const float4 v = *reinterpret_cast<const float4*>(x + block * 16 + q * 4);
        sum.value += w.x * v.x + w.y * v.y + w.z * v.z + w.w * v.w;
      }
    } else if constexpr (!is_quantised(kFormat)) {
#pragma unroll
      for (uint32_t block = 0; block < 2; ++block) {
        const uint4 w = *reinterpret_cast<const uint4*>(unit + block * 512 + lane * 16);
        const float4 a = *reinterpret_cast<const float4*>(x + block * 32 + q * 8);
        const float4 b = *reinterpret_cast<const float4*>(x + block * 32 + q * 8 + 4);
        sum.value += low(w.x) * a.x + high(w.x) * a.y + low(w.y) * a.z + high(w.y) * a.w;
        sum.value += low(w.z) * b.x + high(w.z) * b.y + low(w.w) * b.z + high(w.w) * b.w;
      }
    } else {
      // Groups are whole 64ths of a unit, so each half has one scale a row.
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        float part = 0;
#pragma unroll
        for (uint32_t i = 0; i < 16; ++i) {
          const uint32_t column = half * 64 + q * 16 + i;
          part += integer(unit, row, column) * x[column];
        }
        sum.value += part * scale_of<kFormat>(unit, row, half * 64);
      }
    }
  }

  __device__ static __forceinline__ void write(const Sum& sum, float* out, uint32_t lane) {
    float value = sum.value;
    value += __shfl_xor_sync(kAllLanes, value, 1);
    value += __shfl_xor_sync(kAllLanes, value, 2);
    if (lane % 4 == 0) out[lane / 4] = value;
  }

 private:
  __device__ static __forceinline__ float low(uint32_t word) {
    return kFormat == WeightFormat::kF16 ? low_f16(word) : low_bf16(word);
  }
  __device__ static __forceinline__ float high(uint32_t word) {
    return kFormat == WeightFormat::kF16 ? high_f16(word) : high_bf16(word);
  }
  __device__ static __forceinline__ float integer(const unsigned char* unit, uint32_t row, uint32_t column) {
    const unsigned char byte = unit[element_offset<kFormat>(row, column)];
    if constexpr (!is_int4(kFormat)) return static_cast<float>(static_cast<signed char>(byte));
    return static_cast<float>(static_cast<int>(static_cast<uint32_t>(byte) << (column % 8 < 4 ? 28 : 24)) >> 28);
  }
};

#if __CUDA_ARCH__ >= 800
/// bfloat16 on the tensor cores. The input is two bfloat16 parts, x = hi + lo to 16 bits; they are rows 0 and 1 of the
/// 16-row operand, the matrix rows its 8 columns.
template <>
struct Product<WeightFormat::kBf16, true> {
  static constexpr uint32_t kColumns = 64;
  static constexpr uint32_t kLaneColumns = 2;
  static constexpr uint32_t kPitch = plane_pitch(WeightFormat::kBf16, Products::kTensorCores, build::kColumnsMax);

  struct Sum {
    float even[4] = {};
    float odd[4] = {};
  };

  __device__ static __forceinline__ void stage(unsigned char* area, uint32_t unit, uint32_t lane, const float (&x)[2]) {
    const uint32_t hi = narrow_bf16_pair(x[0], x[1]);
    const uint32_t lo = narrow_bf16_pair(x[0] - low_bf16(hi), x[1] - high_bf16(hi));
    const uint32_t at = unit * 128 + lane * 4;
    *reinterpret_cast<uint32_t*>(area + at) = hi;
    *reinterpret_cast<uint32_t*>(area + kPitch + at) = lo;
  }

  __device__ static __forceinline__ void multiply(Sum& sum, const unsigned char* unit, const unsigned char* area,
                                                  uint32_t number, uint32_t lane) {
    const uint32_t row = lane / 4, q = lane % 4;
    const unsigned char* x = area + (row & 1U) * kPitch + number * 128 + q * 16;
    uint4 x0 = *reinterpret_cast<const uint4*>(x);
    uint4 x1 = *reinterpret_cast<const uint4*>(x + 64);
    if (row >= 2) x0 = x1 = make_uint4(0, 0, 0, 0);
    const uint4 w0 = *reinterpret_cast<const uint4*>(unit + lane * 16);
    const uint4 w1 = *reinterpret_cast<const uint4*>(unit + 512 + lane * 16);
    mma_bf16(sum.even, x0.x, x0.y, w0.x, w0.y);
    mma_bf16(sum.odd, x1.x, x1.y, w1.x, w1.y);
    mma_bf16(sum.even, x0.z, x0.w, w0.z, w0.w);
    mma_bf16(sum.odd, x1.z, x1.w, w1.z, w1.w);
  }

  __device__ static __forceinline__ void write(const Sum& sum, float* out, uint32_t lane) {
    float a = sum.even[0] + sum.odd[0], b = sum.even[1] + sum.odd[1];
    a += __shfl_down_sync(kAllLanes, a, 4);
    b += __shfl_down_sync(kAllLanes, b, 4);
    if (lane < 4) *reinterpret_cast<float2*>(out + lane * 2) = make_float2(a, b);
  }
};

/// int8 and int4 on the tensor cores, without dequantisation. The input of a unit is a fixed-point number of three
/// digits of 7 bits, x = (d0 * 2^14 + d1 * 2^7 + d2) * scale, a scale a unit; the digits are rows 0 to 2. Integer sums
/// are exact.
template <WeightFormat kFormat>
struct QuantisedProduct {
  static constexpr uint32_t kColumns = 128;
  static constexpr uint32_t kLaneColumns = 4;
  static constexpr uint32_t kPitch = plane_pitch(kFormat, Products::kTensorCores, build::kColumnsMax);
  static constexpr float kLargest = 127.0F * 128.0F * 128.0F;

  struct Sum {
    float a = 0;
    float b = 0;
  };

  __device__ static __forceinline__ float* scales(unsigned char* area) {
    return reinterpret_cast<float*>(area + 3 * kPitch);
  }

  __device__ static __forceinline__ void stage(unsigned char* area, uint32_t unit, uint32_t lane, const float (&x)[4]) {
    const float largest = warp_max(fmaxf(fmaxf(fabsf(x[0]), fabsf(x[1])), fmaxf(fabsf(x[2]), fabsf(x[3]))));
    const float bad = warp_sum((x[0] - x[0]) + (x[1] - x[1]) + (x[2] - x[2]) + (x[3] - x[3]));  // NaN or infinite input
    const float up = largest > 0 ? kLargest / largest : 0.0F;
    uint32_t digits[3] = {0, 0, 0};
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const int value = __float2int_rn(x[i] * up);
      const int d2 = ((value + 64) & 127) - 64;
      const int upper = (value - d2) >> 7;
      const int d1 = ((upper + 64) & 127) - 64;
      const int d0 = (upper - d1) >> 7;
      digits[0] |= static_cast<uint32_t>(d0 & 255) << (8 * i);
      digits[1] |= static_cast<uint32_t>(d1 & 255) << (8 * i);
      digits[2] |= static_cast<uint32_t>(d2 & 255) << (8 * i);
    }
#pragma unroll
    for (uint32_t digit = 0; digit < 3; ++digit) {
      *reinterpret_cast<uint32_t*>(area + digit * kPitch + unit * 128 + lane * 4) = digits[digit];
    }
    if (lane == 0) scales(area)[unit] = bad == 0.0F ? largest / kLargest : bad;
  }

  __device__ static __forceinline__ void multiply(Sum& sum, const unsigned char* unit, const unsigned char* area,
                                                  uint32_t number, uint32_t lane) {
    const uint32_t row = lane / 4, q = lane % 4;
    const unsigned char* x = area + (row < 3 ? row : 0) * kPitch + number * 128;
    const float x_scale = reinterpret_cast<const float*>(area + 3 * kPitch)[number];
    const float weight_of_digit = row == 0 ? 16384.0F : row == 1 ? 128.0F : row == 2 ? 1.0F : 0.0F;
    const auto* w_scales = reinterpret_cast<const uint32_t*>(unit + unit_element_bytes(kFormat)) + q;
    int sums[2][4] = {};
    if constexpr (!is_int4(kFormat)) {
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        uint4 v = *reinterpret_cast<const uint4*>(x + half * 64 + q * 16);
        if (row >= 3) v = make_uint4(0, 0, 0, 0);
        const uint4 w = *reinterpret_cast<const uint4*>(unit + half * 512 + lane * 16);
        mma_int8(sums[half], v.x, v.y, w.x, w.y);
        mma_int8(sums[half], v.z, v.w, w.z, w.w);
      }
      add(sum, sums, weight_of_digit * x_scale, w_scales);
    } else {
      uint4 v0 = *reinterpret_cast<const uint4*>(x + q * 32);
      uint4 v1 = *reinterpret_cast<const uint4*>(x + q * 32 + 16);
      if (row >= 3) v0 = v1 = make_uint4(0, 0, 0, 0);
      const uint4 w = *reinterpret_cast<const uint4*>(unit + lane * 16);
      if constexpr (group_columns(kFormat) == 128) {
        mma_int8(sums[0], v0.x, v0.y, sixteenfold_low(w.x), sixteenfold_high(w.x));
        mma_int8(sums[1], v0.z, v0.w, sixteenfold_low(w.y), sixteenfold_high(w.y));
        mma_int8(sums[0], v1.x, v1.y, sixteenfold_low(w.z), sixteenfold_high(w.z));
        mma_int8(sums[1], v1.z, v1.w, sixteenfold_low(w.w), sixteenfold_high(w.w));
      } else {
        // Lanes q = 0, 1 hold the first group's columns, 2 and 3 the second's: one product each, the others zero.
        const bool second = q >= 2;
#pragma unroll
        for (uint32_t group = 0; group < 2; ++group) {
          const bool mine = (group == 1) == second;
          mma_int8(sums[group], mine ? v0.x : 0, mine ? v0.y : 0, sixteenfold_low(w.x), sixteenfold_high(w.x));
          mma_int8(sums[group], mine ? v0.z : 0, mine ? v0.w : 0, sixteenfold_low(w.y), sixteenfold_high(w.y));
          mma_int8(sums[group], mine ? v1.x : 0, mine ? v1.y : 0, sixteenfold_low(w.z), sixteenfold_high(w.z));
          mma_int8(sums[group], mine ? v1.z : 0, mine ? v1.w : 0, sixteenfold_low(w.w), sixteenfold_high(w.w));
        }
      }
      add(sum, sums, weight_of_digit * x_scale * (1.0F / 16.0F), w_scales);
    }
  }

  __device__ static __forceinline__ void write(const Sum& sum, float* out, uint32_t lane) {
    float a = sum.a, b = sum.b;
    a += __shfl_down_sync(kAllLanes, a, 8);
    b += __shfl_down_sync(kAllLanes, b, 8);
    a += __shfl_down_sync(kAllLanes, a, 4);
    b += __shfl_down_sync(kAllLanes, b, 4);
    if (lane < 4) *reinterpret_cast<float2*>(out + lane * 2) = make_float2(a, b);
  }

 private:
  /// The sums of the unit's two halves (or groups), scaled; columns 2q and 2q + 1 of the sums are matrix rows.
  __device__ static __forceinline__ void add(Sum& sum, const int (&sums)[2][4], float factor,
                                             const uint32_t* w_scales) {
    if constexpr (group_columns(kFormat) == 128) {
      const uint32_t scale = w_scales[0];
      sum.a += static_cast<float>(sums[0][0] + sums[1][0]) * factor * low_bf16(scale);
      sum.b += static_cast<float>(sums[0][1] + sums[1][1]) * factor * high_bf16(scale);
    } else {
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t scale = w_scales[half * 4];
        sum.a += static_cast<float>(sums[half][0]) * factor * low_bf16(scale);
        sum.b += static_cast<float>(sums[half][1]) * factor * high_bf16(scale);
      }
    }
  }
  /// Four int4 as int8, times 16: the sign is where it must be.
  __device__ static __forceinline__ uint32_t sixteenfold_low(uint32_t word) { return (word << 4) & 0xf0f0f0f0U; }
  __device__ static __forceinline__ uint32_t sixteenfold_high(uint32_t word) { return word & 0xf0f0f0f0U; }
};

template <>
struct Product<WeightFormat::kI8G64, true> : QuantisedProduct<WeightFormat::kI8G64> {};
template <>
struct Product<WeightFormat::kI8G128, true> : QuantisedProduct<WeightFormat::kI8G128> {};
template <>
struct Product<WeightFormat::kI4G64, true> : QuantisedProduct<WeightFormat::kI4G64> {};
template <>
struct Product<WeightFormat::kI4G128, true> : QuantisedProduct<WeightFormat::kI4G128> {};
#endif

/// The Product that this build uses for a format.
template <WeightFormat kFormat>
using ProductOf = Product<kFormat, on_tensor_cores(kFormat, build::kProducts)>;

/// Calls body.template operator()<format>() for the format at hand, among those that this build has.
template <typename Body>
__device__ __forceinline__ void with_format(WeightFormat format, Body&& body) {
#define AMK_FORMAT_CASE(name)                         \
  if constexpr (build::uses(WeightFormat::name)) {    \
    if (format == WeightFormat::name) {               \
      body.template operator()<WeightFormat::name>(); \
      return;                                         \
    }                                                 \
  }
  AMK_FORMAT_CASE(kF32)
  AMK_FORMAT_CASE(kF16)
  AMK_FORMAT_CASE(kBf16)
  AMK_FORMAT_CASE(kI8G64)
  AMK_FORMAT_CASE(kI8G128)
  AMK_FORMAT_CASE(kI4G64)
  AMK_FORMAT_CASE(kI4G128)
#undef AMK_FORMAT_CASE
}

}  // namespace amk::device
