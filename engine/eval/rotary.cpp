#include "eval/rotary.h"

#include <cmath>
#include <cstddef>
#include <numbers>

#include "base/assert.h"

namespace amk::eval {
namespace {

/// Llama 3's: long waves are slowed by `factor`, short ones kept, those between interpolated. Torch divides a scalar by
/// a tensor as reciprocal times scalar, hence the shape of the divisions.
float llama3_frequency(const model::RopeConfig& rope, float frequency) {
  const auto context = static_cast<double>(rope.original_context);
  const auto factor = static_cast<float>(rope.factor);
  const auto low_factor = static_cast<float>(rope.low_freq_factor);
  const auto longest_kept = static_cast<float>(context / rope.high_freq_factor);
  const auto shortest_slowed = static_cast<float>(context / rope.low_freq_factor);
  const float wavelength = (1.0F / frequency) * static_cast<float>(2.0 * std::numbers::pi);
  if (wavelength > shortest_slowed) return frequency / factor;
  if (wavelength < longest_kept) return frequency;
  const float ratio = (1.0F / wavelength) * static_cast<float>(context);
  const float smooth = (ratio - low_factor) / static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  return (1.0F - smooth) * frequency / factor + smooth * frequency;
}

/// `value` to the significant bits of a 16-bit float, to nearest even. Frequencies lie far from the ends of its range.
float rounded_to(abi::Dtype dtype, float value) {
  if (dtype == abi::Dtype::kF32) return value;
  const int bits = dtype == abi::Dtype::kBf16 ? 8 : 11;
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(value), &exponent);
  return static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits));
}

}  // namespace

std::vector<float> rotary_frequencies(const model::RopeConfig& rope, uint32_t head_dim) {
  const double theta = static_cast<float>(rope.theta);
  std::vector<float> frequencies;
  for (uint32_t even = 0; even < head_dim; even += 2) {
    const float exponent = static_cast<float>(even) / static_cast<float>(head_dim);
    const float power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    const float frequency = 1.0F / power;
    switch (rope.scaling) {
      case model::RopeScaling::kNone:
        frequencies.push_back(frequency);
        break;
      case model::RopeScaling::kLinear:
        frequencies.push_back(frequency / static_cast<float>(rope.factor));
        break;
      case model::RopeScaling::kLlama3:
        frequencies.push_back(llama3_frequency(rope, frequency));
        break;
    }
  }
  for (float& frequency : frequencies) frequency = rounded_to(rope.frequency_dtype, frequency);
  return frequencies;
}

void rotary_cos_sin(std::span<const float> frequencies, uint32_t position, std::span<float> out) {
  const size_t pairs = frequencies.size();
  AMK_ASSERT(out.size() == 2 * pairs, "a cosine and a sine for each pair");
  for (size_t pair = 0; pair < pairs; ++pair) {
    const double angle = frequencies[pair] * static_cast<float>(position);
    out[pair] = static_cast<float>(std::cos(angle));
    out[pairs + pair] = static_cast<float>(std::sin(angle));
  }
}

void rotate_heads(std::span<const float> cos_sin, std::span<float> heads) {
  const size_t head_dim = cos_sin.size();
  const size_t pairs = head_dim / 2;
  const float* cosines = cos_sin.data();
  const float* sines = cosines + pairs;
  for (size_t start = 0; start + head_dim <= heads.size(); start += head_dim) {
    float* first = heads.data() + start;
    float* second = first + pairs;
    for (size_t pair = 0; pair < pairs; ++pair) {
      const float x = first[pair];
      const float y = second[pair];
      first[pair] = x * cosines[pair] - y * sines[pair];
      second[pair] = y * cosines[pair] + x * sines[pair];
    }
  }
}

}  // namespace amk::eval
