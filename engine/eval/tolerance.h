// How far two float32 forwards of one model may differ by rounding alone.
#pragma once

#include "model/model_config.h"

namespace amk::eval {

/// Absolute bound on a logit's difference between two orders of summation.
///
/// Every logit is the end of `n` rounded additions: the reductions of all layers, one after another. Rounding errors of
/// independent signs grow as sqrt(n) x epsilon relative to the values that are summed, whose size the logits' own
/// largest magnitude stands for (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 2.8). Half of
/// that is allowed: the golden models reach 0.2 to 0.35 of it, deep models a tenth of that, a wrong weight thousands
/// of times more.
[[nodiscard]] double logit_tolerance(const model::ModelConfig& config, double largest_logit);

}  // namespace amk::eval
