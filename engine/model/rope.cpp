// Rotary frequencies, operation by operation as torch's CPU kernels do them in float32: a scalar takes part as a
// float32, `scalar / tensor` is reciprocal times scalar, and no two operations are fused.
#include <cmath>
#include <numbers>

#include "base/assert.h"
#include "base/float_formats.h"
#include "model/model_config.h"

namespace amk::model {
namespace {

/// torch.pow(base, exponent) in float32, rounded once.
float power(float base, float exponent) { return static_cast<float>(std::pow(double{base}, double{exponent})); }

/// _compute_llama3_parameters for one frequency: long wavelengths are divided by `factor`, short ones kept, those
/// between interpolated.
float llama3_frequency(const RopeConfig& rope, float frequency) {
  const auto context = static_cast<double>(rope.original_context);
  const auto low_wavelength = static_cast<float>(context / rope.low_freq_factor);
  const auto high_wavelength = static_cast<float>(context / rope.high_freq_factor);
  const auto factor = static_cast<float>(rope.factor);

  const float wavelength = (1.0F / frequency) * static_cast<float>(2.0 * std::numbers::pi);
  if (wavelength > low_wavelength) return frequency / factor;
  if (wavelength < high_wavelength) return frequency;
  const float turns = (1.0F / wavelength) * static_cast<float>(context);
  const float smooth = (turns - static_cast<float>(rope.low_freq_factor)) /
                       static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  const float scaled = (1.0F - smooth) * frequency / factor;
  // Volatile keeps the compiler from fusing the product into the sum on targets with FMA.
  const volatile float kept = smooth * frequency;
  return scaled + kept;
}

float scaled_frequency(const RopeConfig& rope, float frequency) {
  switch (rope.scaling) {
    case RopeScaling::kNone:
      return frequency;
    case RopeScaling::kLinear:
      return frequency / static_cast<float>(rope.factor);
    case RopeScaling::kLlama3:
      return llama3_frequency(rope, frequency);
  }
  AMK_ASSERT(false, "a rope scaling outside its enum");
}

float rounded_to(abi::Dtype dtype, float value) {
  if (dtype == abi::Dtype::kF16) return f16_to_f32(f32_to_f16(value));
  if (dtype == abi::Dtype::kBf16) return bf16_to_f32(f32_to_bf16(value));
  return value;
}

}  // namespace

std::vector<float> rope_inverse_frequencies(const RopeConfig& rope, uint32_t head_dim) {
  std::vector<float> out(head_dim / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float frequency = 1.0F / power(static_cast<float>(rope.theta), exponent);
    out[i] = rounded_to(rope.frequency_dtype, scaled_frequency(rope, frequency));
  }
  return out;
}

}  // namespace amk::model
