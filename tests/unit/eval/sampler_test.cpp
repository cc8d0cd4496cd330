#include "eval/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>
#include <set>

using namespace amk;
using eval::Sampler;
using eval::Sampling;

namespace {

constexpr int kDraws = 20000;

/// Logits whose softmax is `probabilities`.
std::vector<float> logits_of(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<double> frequencies(const Sampling& sampling, const std::vector<float>& logits) {
  Sampler sampler(sampling);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) counts.at(sampler.choose(logits)) += 1.0 / kDraws;
  return counts;
}

/// Five standard deviations of a share of kDraws draws.
void check_shares(const std::vector<double>& found, std::initializer_list<double> expected) {
  REQUIRE(found.size() == expected.size());
  size_t i = 0;
  for (const double share : expected) {
    CAPTURE(i);
    CHECK(std::abs(found[i] - share) <= 5 * std::sqrt(share * (1 - share) / kDraws));
    ++i;
  }
}

std::set<uint32_t> chosen(const Sampling& sampling, const std::vector<float>& logits) {
  Sampler sampler(sampling);
  std::set<uint32_t> out;
  for (int i = 0; i < 2000; ++i) out.insert(sampler.choose(logits));
  return out;
}

}  // namespace

TEST_CASE("temperature 0 takes the largest logit, the lowest index winning a tie, whatever the seed") {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    Sampler sampler({.temperature = 0, .seed = seed});
    CHECK(sampler.choose(std::vector<float>{1, 5, 5, 2}) == 1);
    CHECK(sampler.choose(std::vector<float>{-3}) == 0);
  }
}

TEST_CASE("draws follow softmax, sharpened below temperature 1 and flattened above") {
  const std::vector<float> logits = logits_of({0.1, 0.2, 0.3, 0.4});
  check_shares(frequencies({.temperature = 1, .seed = 3}, logits), {0.1, 0.2, 0.3, 0.4});
  check_shares(frequencies({.temperature = 0.5, .seed = 4}, logits), {1.0 / 30, 4.0 / 30, 9.0 / 30, 16.0 / 30});
  check_shares(frequencies({.temperature = 1e9, .seed = 5}, logits), {0.25, 0.25, 0.25, 0.25});
  CHECK(chosen({.temperature = 1e-9, .seed = 6}, logits) == std::set<uint32_t>{3});
  CHECK(chosen({.temperature = 5e-324, .seed = 6}, logits) == std::set<uint32_t>{3});
}

TEST_CASE("top-k keeps the k best, renormalised; more than there are keeps all") {
  const std::vector<float> logits = logits_of({0.1, 0.2, 0.3, 0.4});
  check_shares(frequencies({.temperature = 1, .top_k = 2, .seed = 7}, logits), {0, 0, 3.0 / 7, 4.0 / 7});
  CHECK(chosen({.temperature = 1, .top_k = 1, .seed = 7}, logits) == std::set<uint32_t>{3});
  CHECK(chosen({.temperature = 1, .top_k = UINT32_MAX, .seed = 7}, logits).size() == 4);
}

TEST_CASE("top-p keeps the fewest whose probabilities reach p, the one that crosses it included") {
  // Powers of two: the sums below are exact, so the boundary is where it is meant to be.
  const std::vector<float> logits = logits_of({0.125, 0.5, 0.125, 0.25});
  const auto kept = [&](double p) { return chosen({.temperature = 1, .top_p = p, .seed = 8}, logits); };
  CHECK(kept(1e-12) == std::set<uint32_t>{1});
  CHECK(kept(0.49) == std::set<uint32_t>{1});
  CHECK(kept(0.51) == std::set<uint32_t>{1, 3});
  CHECK(kept(0.74) == std::set<uint32_t>{1, 3});
  CHECK(kept(0.76) == std::set<uint32_t>{0, 1, 3});  // of two that tie, the lower index
  CHECK(kept(0.88) == std::set<uint32_t>{0, 1, 2, 3});
  CHECK(kept(1.0) == std::set<uint32_t>{0, 1, 2, 3});
  const std::vector<float> equal = {0, 0, 0, 0};  // weights of exactly 1: p = 1/2 is reached by exactly two
  CHECK(chosen({.temperature = 1, .top_p = 0.5, .seed = 8}, equal) == std::set<uint32_t>{0, 1});
  CHECK(chosen({.temperature = 1, .top_p = 0.500001, .seed = 8}, equal) == std::set<uint32_t>{0, 1, 2});
}

TEST_CASE("top-p is measured on what top-k left, after the temperature") {
  const std::vector<float> logits = logits_of({0.4, 0.3, 0.2, 0.1});
  // Of the two best, 4/7 reach 0.55 alone; of all four, 0.4 would not.
  CHECK(chosen({.temperature = 1, .top_k = 2, .top_p = 0.55, .seed = 9}, logits) == std::set<uint32_t>{0});
  CHECK(chosen({.temperature = 1, .top_p = 0.55, .seed = 9}, logits) == std::set<uint32_t>{0, 1});
  // At temperature 1/2 the best has 16/30.
  CHECK(chosen({.temperature = 0.5, .top_p = 0.53, .seed = 9}, logits) == std::set<uint32_t>{0});
}

TEST_CASE("a seed replays its draws, and another seed draws differently") {
  const std::vector<float> logits(50, 1.0F);
  const auto draws = [&](uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<uint32_t> out;
    for (int i = 0; i < 100; ++i) out.push_back(sampler.choose(logits));
    return out;
  };
  CHECK(draws(1) == draws(1));
  CHECK(draws(1) != draws(2));
  CHECK(draws(0) != std::vector<uint32_t>(100, draws(0).front()));
}

TEST_CASE("logits that are not finite give a token of the vocabulary, and -infinity is never drawn") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  CHECK(chosen({.temperature = 1, .seed = 2}, {-kInfinity, 1, 1, -kInfinity}) == std::set<uint32_t>{1, 2});
  for (const std::vector<float>& logits :
       {std::vector<float>{kNan, kNan, kNan}, {1, kNan, 2}, {kInfinity, kInfinity, 0}, {-kInfinity, -kInfinity}}) {
    for (const double temperature : {0.0, 1.0}) {
      Sampler sampler({.temperature = temperature, .top_k = 2, .top_p = 0.9, .seed = 2});
      for (int i = 0; i < 100; ++i) CHECK(sampler.choose(logits) < logits.size());
    }
  }
}

TEST_CASE("settings outside their ranges are refused with what was found") {
  const auto refusal = [](const Sampling& sampling) {
    const Status status = eval::check_sampling(sampling);
    if (status.ok()) return std::string();
    CHECK(status.error().code == ErrorCode::kUsage);
    return status.error().message;
  };
  CHECK(refusal({}) == "");
  CHECK(refusal({.temperature = 100, .top_k = 7, .top_p = 1e-9}) == "");
  CHECK(refusal({.temperature = -0.5}) == "expected a temperature of 0 or more, found -0.5");
  CHECK(refusal({.temperature = NAN}).find("nan") != std::string::npos);
  CHECK(refusal({.temperature = INFINITY}).find("inf") != std::string::npos);
  CHECK(refusal({.top_p = 0}) == "expected top-p above 0 and at most 1, found 0");
  CHECK(refusal({.top_p = 1.0001}) != "");
  CHECK(refusal({.top_p = NAN}) != "");
}
