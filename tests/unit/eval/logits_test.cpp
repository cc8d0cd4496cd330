#include "eval/logits.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace amk::eval;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Logits = std::vector<float>;

}  // namespace

TEST_CASE("the best token is the largest, the lowest index winning a tie") {
  CHECK(best_token(Logits{-2}) == 0);
  CHECK(best_token(Logits{1, 3, 2, 3}) == 1);
  CHECK(best_token(Logits{-5, -kInfinity, -4}) == 2);
}

TEST_CASE("the margin is the distance of the two largest, wherever they stand") {
  CHECK(top_margin(Logits{1, 4, 2.5F}) == 1.5F);
  CHECK(top_margin(Logits{4, 2.5F, 1}) == 1.5F);
  CHECK(top_margin(Logits{1, 2.5F, 4}) == 1.5F);
  CHECK(top_margin(Logits{7, 7}) == 0);
  CHECK(top_margin(Logits{7}) == kInfinity);
}

TEST_CASE("the largest difference is over all elements and of either sign") {
  CHECK(largest_difference(Logits{}, Logits{}) == 0);
  CHECK(largest_difference(Logits{1, 2, 3}, Logits{1, 2, 3}) == 0);
  CHECK(largest_difference(Logits{1, 2, 3}, Logits{1.5F, 2, 1}) == 2);
  CHECK(largest_difference(Logits{3e38F}, Logits{-3e38F}) > 5e38);  // beyond float32
  CHECK(largest_difference(Logits{kInfinity}, Logits{1}) == INFINITY);
}

TEST_CASE("a NaN on either side, at any place, is a difference that is NaN and so within no tolerance") {
  for (size_t place = 0; place < 3; ++place) {
    Logits poisoned = {1, 200, 3};
    poisoned[place] = kNan;
    const Logits clean = {1, 2, 3};
    for (const double difference : {largest_difference(poisoned, clean), largest_difference(clean, poisoned),
                                    largest_difference(poisoned, poisoned)}) {
      CHECK(std::isnan(difference));
      CHECK_FALSE(difference <= 1e30);
    }
  }
  CHECK(std::isnan(largest_difference(Logits{kInfinity}, Logits{kInfinity})));
}

TEST_CASE("the largest magnitude is of either sign") {
  CHECK(largest_magnitude(Logits{}) == 0);
  CHECK(largest_magnitude(Logits{1, -4, 3}) == 4);
  CHECK(largest_magnitude(Logits{-kInfinity, 1}) == INFINITY);
}
