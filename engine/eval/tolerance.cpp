#include "eval/tolerance.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace amk::eval {
namespace {

/// Spacing of the numbers of a cache's dtype, relative to the largest power of two below them.
double spacing(abi::Dtype dtype) { return dtype == abi::Dtype::kF16 ? 0x1p-10 : 0x1p-7; }

/// Relative error that roundings to the other neighbour add, where values part by a relative `difference` before.
double flipped_roundings(const model::ModelConfig& config, double difference, abi::Dtype dtype) {
  if (dtype == abi::Dtype::kF32) return 0.0;
  const double many = std::sqrt(difference * spacing(dtype) * 2.0 * config.layer_count);
  const double one = 0.5 * spacing(dtype) / std::sqrt(static_cast<double>(config.kv_size()));
  return 2.0 * (many + one);
}

/// Relative error of logits by the rounding of every product's input.
double rounded_inputs(const model::ModelConfig& config, InputRounding rounding) {
  if (rounding == InputRounding::kNone) return 0.0;
  const double spacing_of_inputs = rounding == InputRounding::kBf16Parts ? 0x1p-17 : std::sqrt(128.0) * 0x1p-21;
  return spacing_of_inputs * std::sqrt(4.0 * config.layer_count + 1.0);
}

}  // namespace

InputRounding input_rounding(const schedule::Program& program) {
  InputRounding out = InputRounding::kNone;
  if (program.launch.products != abi::Products::kTensorCores) return out;
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind != abi::BufferKind::kWeight || buffer.shape.rank != 2) continue;
    if (buffer.shape.dtype == abi::Dtype::kBf16) return InputRounding::kBf16Parts;
    if (abi::is_quantised(buffer.shape.dtype)) out = InputRounding::kInt8Digits;
  }
  return out;
}

double logit_tolerance(const model::ModelConfig& config, double largest_logit, abi::Dtype kv_dtype,
                       InputRounding rounding) {
  const double layer = 2.0 * config.hidden_size + config.q_size() + config.intermediate_size + config.head_dim;
  const double additions = layer * config.layer_count + config.hidden_size;
  const double epsilon = std::numeric_limits<float>::epsilon();
  const double rounded = 0.5 * epsilon * std::sqrt(additions) + rounded_inputs(config, rounding);
  return (rounded + flipped_roundings(config, rounded, kv_dtype)) * std::max(1.0, largest_logit);
}

}  // namespace amk::eval
