#include "eval/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/logits.h"
#include "eval/tolerance.h"

namespace amk::eval {
namespace {

bool multiplies_on_tensor_cores(const schedule::Program& program) {
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind != abi::BufferKind::kWeight || buffer.shape.rank != 2) continue;
    if (device::on_tensor_cores(device::weight_format(buffer.shape.dtype), program.launch.products)) return true;
  }
  return false;
}

abi::Dtype kv_dtype_of(const schedule::Program& program) {
  for (const schedule::Buffer& buffer : program.buffers) {
    if (buffer.kind == abi::BufferKind::kKvCache) return buffer.shape.dtype;
  }
  return abi::Dtype::kF32;
}

}  // namespace

bool Agreement::agrees() const {
  return positions > 0 && std::isfinite(max_abs_err) && max_abs_err <= tolerance && different_tokens == 0;
}

std::string Agreement::text() const {
  return fmt::format("largest difference {:.3g} (tolerance {:.3g}) over {} positions, {} best tokens differ",
                     max_abs_err, tolerance, positions, different_tokens);
}

Agreement compare_logits(const LogitRows& expected, const LogitRows& found, double tolerance) {
  Agreement out;
  out.tolerance = tolerance;
  out.positions = static_cast<uint32_t>(std::min(expected.size(), found.size()));
  for (size_t i = 0; i < out.positions; ++i) {
    const double difference = largest_difference(expected[i], found[i]);
    if (!(difference <= out.max_abs_err)) out.max_abs_err = difference;  // a NaN stays
    const bool near_tie = top_margin(expected[i]) <= 2 * tolerance;
    if (!near_tie && best_token(expected[i]) != best_token(found[i])) ++out.different_tokens;
    if (std::isnan(out.max_abs_err)) break;
  }
  return out;
}

double largest_magnitude(const LogitRows& rows) {
  double largest = 0;
  for (const std::vector<float>& row : rows) largest = std::max(largest, largest_magnitude(std::span(row)));
  return largest;
}

double megakernel_tolerance(const schedule::Program& program, const model::ModelConfig& config, double largest_logit) {
  const double sums = logit_tolerance(config, largest_logit, kv_dtype_of(program));
  if (!multiplies_on_tensor_cores(program)) return sums;
  return sums + 2 * std::ldexp(1.0, -17) * std::sqrt(4.0 * config.layer_count) * std::max(1.0, largest_logit);
}

double rival_tolerance(const model::ModelConfig& config, abi::Dtype dtype, double largest_logit) {
  const double both = 2 * logit_tolerance(config, largest_logit);
  if (dtype == abi::Dtype::kF32) return both;
  const double half_unit = std::ldexp(1.0, dtype == abi::Dtype::kF16 ? -11 : -8);
  return both + 2 * half_unit * std::sqrt(8.0 * (config.layer_count + 1)) * std::max(1.0, largest_logit);
}

}  // namespace amk::eval
