#include "base/random.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <set>

using namespace amk;

TEST_CASE("the stream is SplitMix64's") {
  // Source: the first outputs of Vigna's splitmix64.c for these seeds.
  Random zero(0);
  CHECK(zero.next() == 0xe220a8397b1dcdafULL);
  CHECK(zero.next() == 0x6e789e6aa1b965f4ULL);
  CHECK(zero.next() == 0x06c45d188009454fULL);
  Random other(1234567);
  CHECK(other.next() == 6457827717110365317ULL);
  CHECK(other.next() == 3203168211198807973ULL);
}

TEST_CASE("bounded draws stay below the bound, reach every value and favour none") {
  Random random(7);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100000; ++i) ++counts.at(random.below(10));
  for (const int count : counts) CHECK(std::abs(count - 10000) < 500);  // five standard deviations
  for (int i = 0; i < 100; ++i) CHECK(random.below(1) == 0);
  for (int i = 0; i < 1000; ++i) CHECK(random.below(UINT64_MAX) < UINT64_MAX);
}

TEST_CASE("uniform draws lie in [0, 1) and average one half") {
  Random random(9);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double draw = random.uniform();
    REQUIRE(draw >= 0.0);
    REQUIRE(draw < 1.0);
    sum += draw;
  }
  CHECK(std::abs(sum / 100000 - 0.5) < 0.005);
}

TEST_CASE("mixing maps different words to different words") {
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 10000; ++i) seen.insert(mix64(i));
  CHECK(seen.size() == 10000);
  static_assert(mix64(0) == 0);
}
