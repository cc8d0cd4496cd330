// Arithmetic on sizes that come from outside: overflow is an answer, never a wrap.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace amk {

[[nodiscard]] constexpr std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

[[nodiscard]] constexpr std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

/// Product of all extents; 1 for rank 0.
[[nodiscard]] constexpr std::optional<uint64_t> checked_product(std::span<const uint64_t> extents) {
  std::optional<uint64_t> out = 1;
  for (uint64_t extent : extents) {
    if (out = checked_mul(*out, extent); !out) return out;
  }
  return out;
}

/// ceil(a / b), b > 0.
[[nodiscard]] constexpr uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

/// a rounded up to a multiple of b, b > 0; a + b - 1 must not overflow.
[[nodiscard]] constexpr uint64_t round_up(uint64_t a, uint64_t b) { return ceil_div(a, b) * b; }

}  // namespace amk
