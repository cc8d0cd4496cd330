// Widening of the stored float formats to float32, exact for every bit pattern.
#pragma once

#include <bit>
#include <cstdint>

namespace amk {

/// bfloat16 bits to float32: the upper half of the word.
[[nodiscard]] constexpr float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// IEEE 754 binary16 bits to float32. Subnormals come out exact: the exponent is rebased by a multiplication by
/// 2^112, which also normalises. Infinities and NaNs keep their payload. Branch-free, so that loops vectorise.
[[nodiscard]] constexpr float f16_to_f32(uint16_t bits) {
  const uint32_t magnitude = uint32_t{bits} & 0x7fffU;
  const uint32_t sign = (uint32_t{bits} & 0x8000U) << 16;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112F);
  const uint32_t special = 0x7f800000U | (magnitude << 13);
  return std::bit_cast<float>(sign | (magnitude >= 0x7c00U ? special : finite));
}

/// float32 to bfloat16 bits, round to nearest even; NaN stays NaN (quiet).
[[nodiscard]] constexpr uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>((bits >> 16) | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace amk
