// Widening of the stored float formats to float32, exact for every bit pattern.
#pragma once

#include <bit>
#include <cstdint>

namespace amk {

/// bfloat16 bits to float32: the upper half of the word.
[[nodiscard]] constexpr float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// IEEE 754 binary16 bits to float32. The exponent is rebased by a multiplication by 2^112, which also normalises
/// subnormals, exactly; infinities and NaNs, which it takes to 2^16 and above, get their exponent back and keep their
/// payload. Branch-free and in words of 32 bits throughout, so that loops vectorise.
[[nodiscard]] constexpr float f16_to_f32(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(int32_t{static_cast<int16_t>(bits)});
  const float magnitude = std::bit_cast<float>((word << 13) & 0x0fffe000U) * 0x1p112F;
  const uint32_t special = magnitude >= 0x1p16F ? 0x7f800000U : 0U;
  return std::bit_cast<float>((word & 0x80000000U) | special | std::bit_cast<uint32_t>(magnitude));
}

/// float32 to bfloat16 bits, round to nearest even; NaN stays NaN (quiet).
[[nodiscard]] constexpr uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// float32 to binary16 bits, round to nearest even; too large becomes infinity, NaN stays NaN (quiet). The addition of
/// a power of two puts the rounding at the last kept bit, subnormal results included.
[[nodiscard]] constexpr uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffffU;
  const uint32_t sign = (bits >> 16) & 0x8000U;
  if (magnitude > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);  // 65520 and more
  if (magnitude < 0x38800000U) {                                               // below 2^-14: subnormal, units of 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000U));
  }
  const uint32_t rebased = magnitude - 0x38000000U;  // exponent bias 127 to 15
  return static_cast<uint16_t>(sign | ((rebased + 0xfffU + ((rebased >> 13) & 1U)) >> 13));
}

}  // namespace amk
