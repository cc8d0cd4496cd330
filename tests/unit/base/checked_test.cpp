#include "base/checked.h"

#include <doctest/doctest.h>

#include <vector>

using namespace amk;

TEST_CASE("sums and products up to the largest word are exact, and nothing above it") {
  CHECK(checked_add(UINT64_MAX - 1, 1) == UINT64_MAX);
  CHECK_FALSE(checked_add(UINT64_MAX, 1).has_value());
  CHECK_FALSE(checked_add(UINT64_MAX, UINT64_MAX).has_value());
  CHECK(checked_mul(1ULL << 32, (1ULL << 32) - 1) == UINT64_MAX - (1ULL << 32) + 1);
  CHECK_FALSE(checked_mul(1ULL << 32, 1ULL << 32).has_value());
  CHECK(checked_mul(UINT64_MAX, 1) == UINT64_MAX);
  CHECK(checked_mul(UINT64_MAX, 0) == 0);
}

TEST_CASE("a product of extents is 1 for none, and nothing where it overflows on the way") {
  CHECK(checked_product({}) == 1);
  CHECK(checked_product(std::vector<uint64_t>{3, 5, 7}) == 105);
  CHECK(checked_product(std::vector<uint64_t>{0, UINT64_MAX}) == 0);
  CHECK_FALSE(checked_product(std::vector<uint64_t>{1ULL << 40, 1ULL << 24, 2}).has_value());
}

TEST_CASE("division rounds up without overflowing") {
  CHECK(ceil_div(0, 7) == 0);
  CHECK(ceil_div(7, 7) == 1);
  CHECK(ceil_div(8, 7) == 2);
  CHECK(ceil_div(UINT64_MAX, 2) == 1ULL << 63);
  CHECK(ceil_div(UINT64_MAX, 1) == UINT64_MAX);
  CHECK(round_up(0, 128) == 0);
  CHECK(round_up(1, 128) == 128);
  CHECK(round_up(128, 128) == 128);
}
