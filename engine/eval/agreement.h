// Whether logits that a GPU computed agree with those they are compared with, and how far they may part.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "abi/dtype.h"
#include "model/model_config.h"
#include "schedule/program.h"

namespace amk::eval {

/// One row of logits a position.
using LogitRows = std::vector<std::vector<float>>;

struct Agreement {
  uint32_t positions = 0;
  double max_abs_err = 0;  ///< NaN where a logit is
  double tolerance = 0;
  uint32_t different_tokens = 0;      ///< best tokens that are not the same, near ties excepted
  [[nodiscard]] bool agrees() const;  ///< at least a position, all logits within the tolerance, all tokens the same
  [[nodiscard]] std::string text() const;
};

/// The rows are of one shape.
[[nodiscard]] Agreement compare_logits(const LogitRows& expected, const LogitRows& found, double tolerance);

[[nodiscard]] double largest_magnitude(const LogitRows& rows);

/// How far the megakernel's logits may lie from the oracle's: logit_tolerance(), and on top, where tensor cores
/// multiply, what splitting an activation in two bfloat16 parts leaves out: 2^-17 of a value, an independent error in
/// each of a layer's four products, so sqrt(4 layers) of it; twice that is allowed.
[[nodiscard]] double megakernel_tolerance(const schedule::Program& program, const model::ModelConfig& config,
                                          double largest_logit);

/// How far a rival's logits may lie from the megakernel's, when it keeps activations in `dtype`: about eight vectors a
/// layer are rounded by up to half a unit in the last place, independently: sqrt(8 (layers + 1)) of it, relative to
/// the largest logit; twice that is allowed. A rival that computes something else is off by the logits' own size.
[[nodiscard]] double rival_tolerance(const model::ModelConfig& config, abi::Dtype dtype, double largest_logit);

}  // namespace amk::eval
