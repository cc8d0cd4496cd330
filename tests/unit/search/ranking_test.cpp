#include "search/ranking.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

std::optional<double> correlation(const std::vector<double>& a, const std::vector<double>& b) {
  return rank_correlation(a, b);
}

Trial trial_with(uint32_t number, double ratio, bool kept) {
  Trial out = test::a_trial(1);
  out.number = number;
  out.outcome = kept ? Outcome::kKept : Outcome::kReverted;
  out.measurement->ratio = {ratio, ratio, ratio};
  return out;
}

}  // namespace

TEST_CASE("the rank correlation is 1 for one order, -1 for the reverse, and shares the ranks of ties") {
  CHECK(*correlation({1, 2, 3, 4}, {10, 20, 25, 1000}) == doctest::Approx(1));
  CHECK(*correlation({1, 2, 3, 4}, {4, 3, 2, 1}) == doctest::Approx(-1));
  CHECK(*correlation({1, 2, 2, 3}, {1, 2, 3, 4}) == doctest::Approx(0.948683));  // by hand: 4.5 / sqrt(4.5 x 5)
  CHECK_FALSE(correlation({1, 2}, {1, 2}));
  CHECK_FALSE(correlation({1, 1, 1}, {1, 2, 3}));
}

TEST_CASE("what came of a trial is its ratio times those of the keeps before it, up to a trial that is missing") {
  const std::vector<Trial> trials = {trial_with(1, 1.2, false), trial_with(2, 0.9, true),  trial_with(3, 1.1, false),
                                     trial_with(4, 0.8, true),  trial_with(5, 1.0, false), trial_with(7, 0.5, false)};
  std::vector<const Trial*> all;
  for (const Trial& trial : trials) all.push_back(&trial);
  const auto came = log_ratios_to_start(all);
  const std::vector<double> expected = {1.2, 0.9, 0.99, 0.72, 0.72};
  for (size_t i = 0; i < 5; ++i) CHECK(std::exp(*came[i]) == doctest::Approx(expected[i]));
  CHECK_FALSE(came[5]);
}

TEST_CASE("a trial that a lane compared with a replaced incumbent counts from that one") {
  std::vector<Trial> trials = {trial_with(1, 0.8, true), trial_with(2, 1.0, false), trial_with(3, 0.5, false),
                               trial_with(4, 1.0, false)};
  trials[1].measurement->against = 0;  // drawn before trial 1 was kept
  trials[2].measurement->against = 1;
  std::vector<const Trial*> all;
  for (const Trial& trial : trials) all.push_back(&trial);
  const auto came = log_ratios_to_start(all);
  const std::vector<double> expected = {0.8, 1.0, 0.4, 0.8};
  for (size_t i = 0; i < 4; ++i) CHECK(std::exp(*came[i]) == doctest::Approx(expected[i]));
}

TEST_CASE("a campaign's quality compares the prior and the cost model with what came") {
  std::vector<Trial> trials;
  for (uint32_t i = 1; i <= 6; ++i) {
    Trial trial = trial_with(i, 1 + 0.1 * i, false);
    trial.facts = ProgramFacts{};
    trial.facts->predicted_us = 100.0 - i;
    if (i > 1) trial.proposal.prior_us = 10.0 * i;
    trials.push_back(trial);
  }
  const RankQuality quality = rank_quality(trials);
  CHECK(quality.trials == 6);
  CHECK(*quality.cost_model == doctest::Approx(-1));
  CHECK(*quality.prior == doctest::Approx(1));
  CHECK_FALSE(rank_quality({}).prior);
}
