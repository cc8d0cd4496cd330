#include "eval/rotary.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

using namespace amk;
using model::RopeConfig;
using model::RopeScaling;

TEST_CASE("unscaled frequencies fall from one by a constant ratio") {
  const std::vector<float> frequencies = eval::rotary_frequencies({.theta = 10000.0}, 8);
  REQUIRE(frequencies.size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(frequencies[i] == doctest::Approx(std::pow(10.0, -static_cast<double>(i))));
}

TEST_CASE("linear scaling divides every frequency, llama3's only those of long waves") {
  const std::vector<float> plain = eval::rotary_frequencies({.theta = 500000.0}, 64);
  const std::vector<float> linear =
      eval::rotary_frequencies({.scaling = RopeScaling::kLinear, .theta = 500000.0, .factor = 4.0}, 64);
  const RopeConfig llama3 = {.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 8.0};
  const std::vector<float> banded = eval::rotary_frequencies(llama3, 64);
  size_t kept = 0;
  size_t between = 0;
  size_t slowed = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    CHECK(linear[i] == plain[i] / 4.0F);
    const double wavelength = 6.283185307179586 / static_cast<double>(plain[i]);
    if (wavelength < 8192.0 / 4.0) {
      CHECK(banded[i] == plain[i]);
      ++kept;
    } else if (wavelength > 8192.0) {
      CHECK(banded[i] == plain[i] / 8.0F);
      ++slowed;
    } else {
      CHECK(banded[i] < plain[i]);
      CHECK(banded[i] > plain[i] / 8.0F);
      ++between;
    }
  }
  CHECK(kept > 0);
  CHECK(between > 0);
  CHECK(slowed > 0);
}

TEST_CASE("the oracle's frequencies and the import's, written separately, agree bit for bit") {
  const std::vector<RopeConfig> ropes = {
      {.theta = 10000.0},
      {.theta = 500000.0},
      {.scaling = RopeScaling::kLinear, .theta = 10000.0, .factor = 2.0},
      {.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 8.0},
      {.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 32.0},
      {.scaling = RopeScaling::kLlama3, .theta = 500000.0, .factor = 8.0, .original_context = 64}};
  for (const RopeConfig& rope : ropes) {
    for (const uint32_t head_dim : {2U, 16U, 24U, 64U, 96U, 128U}) {
      CAPTURE(rope.theta);
      CAPTURE(head_dim);
      CHECK(eval::rotary_frequencies(rope, head_dim) == model::rope_inverse_frequencies(rope, head_dim));
    }
  }
}

TEST_CASE("a head's first half is paired with its second, and turned") {
  const std::vector<float> frequencies = {1.0F, 0.25F};
  std::vector<float> cos_sin(4);
  eval::rotary_cos_sin(frequencies, 3, cos_sin);
  std::vector<float> heads = {1.0F, 0.0F, 0.0F, 1.0F, 0.0F, 2.0F, 0.0F, 0.0F};
  eval::rotate_heads(cos_sin, heads);
  const auto near = [](double value) { return doctest::Approx(value).epsilon(1e-6); };
  CHECK(heads[0] == near(std::cos(3.0)));
  CHECK(heads[2] == near(std::sin(3.0)));
  CHECK(heads[1] == near(-std::sin(0.75)));
  CHECK(heads[3] == near(std::cos(0.75)));
  CHECK(heads[5] == near(2.0 * std::cos(0.75)));
  CHECK(heads[7] == near(2.0 * std::sin(0.75)));
}

TEST_CASE("the angle is a float32 product, its sine that of this float32 even at a far position") {
  const std::vector<float> frequencies = {0.1F};
  std::vector<float> cos_sin(2);
  const uint32_t position = 131071;
  eval::rotary_cos_sin(frequencies, position, cos_sin);
  const float angle = frequencies[0] * static_cast<float>(position);
  CHECK(cos_sin[0] == static_cast<float>(std::cos(static_cast<double>(angle))));
  CHECK(cos_sin[1] == static_cast<float>(std::sin(static_cast<double>(angle))));
}
