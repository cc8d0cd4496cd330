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

}  // namespace

double logit_tolerance(const model::ModelConfig& config, double largest_logit, abi::Dtype kv_dtype) {
  const double layer = 2.0 * config.hidden_size + config.q_size() + config.intermediate_size + config.head_dim;
  const double additions = layer * config.layer_count + config.hidden_size;
  const double epsilon = std::numeric_limits<float>::epsilon();
  const double summed = 0.5 * epsilon * std::sqrt(additions);
  return (summed + flipped_roundings(config, summed, kv_dtype)) * std::max(1.0, largest_logit);
}

}  // namespace amk::eval
