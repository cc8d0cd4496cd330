#include "search/decision.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "base/random.h"

using namespace amk;
using namespace amk::search;

namespace {

/// Times of one machine: a slow drift that a block shares, and noise of each launch with a heavy upper tail.
struct Noise {
  double launch = 0.01;    ///< relative, of each launch
  double outliers = 0.02;  ///< share of launches that take up to half as long again
};

double normal(Random& random) {
  return std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(2 * std::numbers::pi * random.uniform());
}

double launch_us(Random& random, double mean_us, const Noise& noise) {
  const double late = random.uniform() < noise.outliers ? 1 + 0.5 * random.uniform() : 1;
  return mean_us * (1 + noise.launch * normal(random)) * late;
}

/// The ratio of one block: candidate, incumbent, incumbent, candidate.
double block_ratio(Random& random, double speedup, const Noise& noise) {
  const double clock = 1 + 0.05 * random.uniform();
  const double ours =
      launch_us(random, clock * 1000 / speedup, noise) + launch_us(random, clock * 1000 / speedup, noise);
  const double theirs = launch_us(random, clock * 1000, noise) + launch_us(random, clock * 1000, noise);
  return ours / theirs;
}

struct Decided {
  Choice choice = Choice::kRevertUndecided;
  size_t blocks = 0;
};

Decided one_trial(Random& random, double speedup, const Noise& noise, const KeepRules& rules, bool simpler = false) {
  std::vector<double> ratios;
  for (uint32_t look = 0; look < rules.looks; ++look) {
    while (ratios.size() < rules.blocks_at(look)) ratios.push_back(block_ratio(random, speedup, noise));
    const auto choice = choose(look_at(ratios, rules), rules, simpler, look + 1 == rules.looks);
    if (choice) return {*choice, ratios.size()};
  }
  return {};
}

struct Share {
  double kept = 0;
  double blocks = 0;  ///< mean
};

Share simulate(double speedup, const Noise& noise, const KeepRules& rules, uint32_t trials, bool simpler = false) {
  Random random(20261122);
  Share out;
  for (uint32_t i = 0; i < trials; ++i) {
    const Decided decided = one_trial(random, speedup, noise, rules, simpler);
    out.kept += keeps(decided.choice) ? 1.0 / trials : 0;
    out.blocks += static_cast<double>(decided.blocks) / trials;
  }
  return out;
}

constexpr Noise kNoises[] = {{0.003, 0}, {0.01, 0.02}, {0.03, 0.05}};

}  // namespace

TEST_CASE("A/A: of thousands of trials of a program against itself, at most 5% are kept, whatever the noise") {
  for (const Noise& noise : kNoises) {
    const Share share = simulate(1.0, noise, {}, 4000);
    MESSAGE("launch noise ", 100 * noise.launch, "%, outliers ", 100 * noise.outliers, "%: kept ", 100 * share.kept,
            "%, blocks ", share.blocks);
    CHECK(share.kept <= 0.05);
  }
}

TEST_CASE("A/A with any gain taken for one: the looks' error stays within 5% even where nothing else guards it") {
  KeepRules rules;
  rules.min_gain = 0;
  for (const Noise& noise : kNoises) {
    const Share share = simulate(1.0, noise, rules, 4000);
    MESSAGE("launch noise ", 100 * noise.launch, "%: kept ", 100 * share.kept, "%");
    CHECK(share.kept <= 0.05);
    CHECK(share.kept > 0);  // the test can fail
  }
}

TEST_CASE("a candidate faster by exactly what is asked for is a coin that rarely falls for it") {
  const Share share = simulate(1 / 0.99, kNoises[1], {}, 4000);
  MESSAGE("kept ", 100 * share.kept, "%, blocks ", share.blocks);
  CHECK(share.kept <= 0.05);
}

TEST_CASE("power: 2% and 5% faster are kept, and the more is to be had, the sooner") {
  for (const Noise& noise : {kNoises[0], kNoises[1]}) {
    const Share two = simulate(1 / 0.98, noise, {}, 1000);
    const Share five = simulate(1 / 0.95, noise, {}, 1000);
    MESSAGE("launch noise ", 100 * noise.launch, "%: 2% faster kept ", 100 * two.kept, "% after ", two.blocks,
            " blocks; 5% faster kept ", 100 * five.kept, "% after ", five.blocks);
    CHECK(two.kept >= 0.95);
    CHECK(five.kept >= 0.99);
    CHECK(five.blocks <= two.blocks);
  }
  const Share rough = simulate(1 / 0.95, kNoises[2], {}, 1000);
  MESSAGE("launch noise 3%: 5% faster kept ", 100 * rough.kept, "% after ", rough.blocks, " blocks");
  CHECK(rough.kept >= 0.99);
}

TEST_CASE("a tie goes to the simpler schedule, a loss does not") {
  CHECK(simulate(1.0, kNoises[0], {}, 500, true).kept >= 0.95);
  CHECK(simulate(1 / 1.02, kNoises[0], {}, 500, true).kept <= 0.05);
  CHECK(simulate(1 / 1.004, kNoises[0], {}, 500, true).kept <= 0.05);  // under the margin, and slower with confidence
  CHECK(simulate(1.0, kNoises[0], {}, 500, false).kept == 0);
}

TEST_CASE("the interval of a median covers it as often as it says") {
  Random random(7);
  for (const size_t n : {10, 20, 81, 320, 1280}) {
    uint32_t covered = 0;
    for (uint32_t i = 0; i < 2000; ++i) {
      std::vector<double> values;
      for (size_t k = 0; k < n; ++k) values.push_back(std::exp(normal(random)));  // skewed; its median is 1
      const eval::Estimate of = median_interval(values, 0.95);
      covered += of.low <= 1 && 1 <= of.high ? 1 : 0;
    }
    CAPTURE(n);
    CHECK(covered >= 0.94 * 2000);
    CHECK(covered <= 0.995 * 2000);
  }
}

TEST_CASE("too few values have no interval, and decide nothing") {
  const std::vector<double> five(5, 0.5);
  const eval::Estimate of = median_interval(five, 0.95);
  CHECK(of.value == 0.5);
  CHECK(std::isinf(of.low));
  CHECK(std::isinf(of.high));
  CHECK_FALSE(choose(of, {}, true, false).has_value());
  CHECK(choose(of, {}, true, true) == Choice::kRevertUndecided);
  // Six equal ones: 2 x (1/2)^6 = 3.1% of error.
  CHECK(median_interval(std::vector<double>(6, 0.5), 0.95).high == 0.5);
}

TEST_CASE("exact latencies are held to the same bounds") {
  CHECK(choose_exact(0.98, {}, false) == Choice::kKeepFaster);
  CHECK(choose_exact(0.99, {}, false) == Choice::kKeepFaster);
  CHECK(choose_exact(0.995, {}, false) == Choice::kRevertNotFaster);
  CHECK(choose_exact(1.0, {}, true) == Choice::kKeepSimpler);
  CHECK(choose_exact(0.995, {}, true) == Choice::kKeepSimpler);
  CHECK(choose_exact(1.001, {}, true) == Choice::kRevertNotFaster);
  KeepRules any;
  any.min_gain = 0;
  CHECK(choose_exact(0.9999, any, false) == Choice::kKeepFaster);
  CHECK_FALSE(keeps(choose_exact(1.0, any, false)));  // as fast, and not simpler
}

TEST_CASE("a gain in words says which side is which") {
  CHECK(gain_text({0.975, 0.97, 0.98}, 0.95) == "2.50% faster (95%: 2.00% faster to 3.00% faster)");
  CHECK(gain_text({1.02, 0.999, 1.04}, 0.95) == "2.00% slower (95%: 4.00% slower to 0.10% faster)");
}
