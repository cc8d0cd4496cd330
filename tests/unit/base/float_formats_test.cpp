#include "base/float_formats.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

using namespace amk;

namespace {

/// The value of a binary format of `exponent_bits` and `fraction_bits`, by the formula of IEEE 754, section 3.4; NaN
/// where the exponent is all ones and the fraction is not zero.
double value_of(uint32_t bits, int exponent_bits, int fraction_bits) {
  const uint32_t fraction = bits & ((1U << fraction_bits) - 1);
  const uint32_t exponent = (bits >> fraction_bits) & ((1U << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1.0 : 1.0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1U << exponent_bits) - 1) return fraction == 0 ? sign * INFINITY : NAN;
  const double scale = std::ldexp(1.0, -fraction_bits);
  if (exponent == 0) return sign * std::ldexp(fraction * scale, 1 - bias);
  return sign * std::ldexp(1.0 + fraction * scale, static_cast<int>(exponent) - bias);
}

bool same(float found, double expected) {
  if (std::isnan(expected)) return std::isnan(found);
  return static_cast<double>(found) == expected && std::signbit(found) == std::signbit(expected);
}

}  // namespace

TEST_CASE("all 65,536 patterns of both 16-bit formats widen to their exact value, signed zeroes and NaN included") {
  uint32_t wrong_f16 = 0;
  uint32_t wrong_bf16 = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    wrong_f16 += same(f16_to_f32(static_cast<uint16_t>(bits)), value_of(bits, 5, 10)) ? 0 : 1;
    wrong_bf16 += same(bf16_to_f32(static_cast<uint16_t>(bits)), value_of(bits, 8, 7)) ? 0 : 1;
  }
  CHECK(wrong_f16 == 0);
  CHECK(wrong_bf16 == 0);
}

TEST_CASE("the sign of a NaN and its payload survive widening") {
  CHECK(std::bit_cast<uint32_t>(f16_to_f32(0xfe01)) == 0xffc02000U);
  CHECK(std::bit_cast<uint32_t>(bf16_to_f32(0xff81)) == 0xff810000U);
}

namespace {

/// How often narrowing is not to the nearest, ties to even: at every value of the format, and between each and the
/// next at the middle and a float32 to either side of it.
template <typename Widen, typename Narrow>
uint32_t wrong_roundings(Widen widen, Narrow narrow, uint32_t infinity) {
  uint32_t wrong = 0;
  for (uint32_t sign : {0U, 0x8000U}) {
    for (uint32_t bits = 0; bits < infinity; ++bits) {
      const auto low = static_cast<uint16_t>(sign | bits);
      const auto high = static_cast<uint16_t>(sign | (bits + 1));
      wrong += narrow(widen(low)) == low ? 0 : 1;
      if (bits + 1 == infinity) break;  // what lies beyond the largest is asked for below
      const float middle = (widen(low) / 2) + (widen(high) / 2);
      wrong += narrow(middle) == (bits % 2 == 0 ? low : high) ? 0 : 1;
      wrong += narrow(std::nextafter(middle, widen(low))) == low ? 0 : 1;
      wrong += narrow(std::nextafter(middle, widen(high))) == high ? 0 : 1;
    }
    wrong += narrow(widen(static_cast<uint16_t>(sign | infinity))) == (sign | infinity) ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("narrowing goes to the nearest, ties to even, for every value and every gap between two") {
  CHECK(wrong_roundings(f16_to_f32, f32_to_f16, 0x7c00) == 0);
  // The middle of two subnormal bfloat16 numbers is a subnormal float32, which halving first still gives exactly.
  CHECK(wrong_roundings(bf16_to_f32, f32_to_bf16, 0x7f80) == 0);
}

TEST_CASE("too large becomes infinity, halfway included, and NaN stays NaN whatever its payload") {
  CHECK(f32_to_f16(65519.99F) == 0x7bff);
  CHECK(f32_to_f16(65520.0F) == 0x7c00);
  CHECK(f32_to_f16(-1e30F) == 0xfc00);
  CHECK(f32_to_f16(0x1p-25F) == 0);
  CHECK(f32_to_f16(0x1.000002p-25F) == 1);
  CHECK(f32_to_bf16(3.4e38F) == 0x7f80);
  for (const uint32_t bits : {0x7f800001U, 0xffc00000U, 0x7fffffffU}) {
    const auto nan = std::bit_cast<float>(bits);
    CHECK(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
    CHECK(std::isnan(f16_to_f32(f32_to_f16(nan))));
  }
}
