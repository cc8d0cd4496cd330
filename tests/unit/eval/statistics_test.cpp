#include "eval/statistics.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/random.h"

using namespace amk;
using namespace amk::eval;

TEST_CASE("quantiles lie linearly between neighbours, in whatever order the values come") {
  CHECK(quantile({3, 1, 2}, 0.5) == 2);
  CHECK(quantile({1, 2, 3, 4}, 0.5) == 2.5);
  CHECK(quantile({10, 20}, 0.1) == doctest::Approx(11));
  CHECK(quantile({5}, 0.9) == 5);
  CHECK(quantile({1, 2, 3}, 0) == 1);
  CHECK(quantile({1, 2, 3}, 1) == 3);
  CHECK(std::isnan(quantile({}, 0.5)));
  const Spread spread = spread_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(spread.median == 6);
  CHECK(spread.p10 == doctest::Approx(2));
  CHECK(spread.p90 == doctest::Approx(10));
}

TEST_CASE("ratios are of pairs, so that drift cancels") {
  const std::vector<double> slow = {200, 400, 800};
  const std::vector<double> fast = {100, 200, 400};
  CHECK(paired_ratios(slow, fast) == std::vector<double>{2, 2, 2});
  const Estimate ratio = median_with_confidence(paired_ratios(slow, fast));
  CHECK(ratio.value == 2);
  CHECK(ratio.low == 2);
  CHECK(ratio.high == 2);
}

TEST_CASE("the interval is the same for the same seed, and holds the median") {
  Random random(7);
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(1 + random.uniform());
  const Estimate first = median_with_confidence(values, 3);
  const Estimate again = median_with_confidence(values, 3);
  CHECK(first.low == again.low);
  CHECK(first.high == again.high);
  CHECK(first.low <= first.value);
  CHECK(first.value <= first.high);
  CHECK(first.low > 1.2);
  CHECK(first.high < 1.8);
}

TEST_CASE("about 95 of 100 intervals hold the true median") {
  int held = 0;
  for (uint64_t trial = 0; trial < 200; ++trial) {
    Random random(trial);
    std::vector<double> values;
    for (int i = 0; i < 60; ++i) values.push_back(random.uniform());
    const Estimate estimate = median_with_confidence(values, trial, 400);
    if (estimate.low <= 0.5 && 0.5 <= estimate.high) ++held;
  }
  CHECK(held >= 180);
  CHECK(held <= 200);
}

TEST_CASE("one value has no interval but itself") {
  const Estimate estimate = median_with_confidence({4});
  CHECK(estimate.low == 4);
  CHECK(estimate.high == 4);
}
