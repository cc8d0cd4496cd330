#include <doctest/doctest.h>

#include <cmath>

#include "model/model_config.h"

using namespace amk::model;

TEST_CASE("default frequencies are theta to the power of minus 2i over head_dim") {
  const RopeConfig rope{.theta = 10000.0};
  const std::vector<float> frequencies = rope_inverse_frequencies(rope, 8);
  REQUIRE(frequencies.size() == 4);
  CHECK(frequencies[0] == 1.0F);
  CHECK(frequencies[1] == 0.1F);
  CHECK(frequencies[2] == 0.01F);
  CHECK(frequencies[3] == 0.001F);
}

TEST_CASE("linear scaling divides every frequency by the factor") {
  const RopeConfig plain{.theta = 500000.0};
  RopeConfig scaled = plain;
  scaled.scaling = RopeScaling::kLinear;
  scaled.factor = 3.0;
  const auto before = rope_inverse_frequencies(plain, 64);
  const auto after = rope_inverse_frequencies(scaled, 64);
  for (size_t i = 0; i < before.size(); ++i) CHECK(after[i] == before[i] / 3.0F);
}

TEST_CASE("llama3 scaling keeps short wavelengths, divides long ones and interpolates monotonically between") {
  const RopeConfig plain{.theta = 500000.0};
  const RopeConfig scaled{.scaling = RopeScaling::kLlama3,
                          .theta = 500000.0,
                          .factor = 32.0,
                          .low_freq_factor = 1.0,
                          .high_freq_factor = 4.0,
                          .original_context = 8192};
  const auto before = rope_inverse_frequencies(plain, 64);
  const auto after = rope_inverse_frequencies(scaled, 64);
  int between = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    CAPTURE(i);
    const double wavelength = 2.0 * M_PI / double{before[i]};
    if (wavelength < 8192.0 / 4.0) {
      CHECK(after[i] == before[i]);
    } else if (wavelength > 8192.0) {
      CHECK(after[i] == before[i] / 32.0F);
    } else {
      ++between;
      const double smooth = (8192.0 / wavelength - 1.0) / 3.0;
      const double expected = (1.0 - smooth) * before[i] / 32.0 + smooth * before[i];
      CHECK(after[i] == doctest::Approx(expected).epsilon(1e-6));
    }
    if (i > 0) CHECK(after[i] < after[i - 1]);
  }
  CHECK(between > 0);
}
