// How far two float32 forwards of one model may differ by rounding alone.
#pragma once

#include "abi/dtype.h"
#include "model/model_config.h"

namespace amk::eval {

/// Absolute bound on a logit's difference between two orders of summation.
///
/// Every logit is the end of `n` rounded additions: the reductions of all layers, one after another. Rounding errors of
/// independent signs grow as sqrt(n) x epsilon relative to the values that are summed, whose size the logits' own
/// largest magnitude stands for (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 2.8). Half of
/// that is allowed: the golden models reach 0.2 to 0.35 of it, deep models a tenth of that, a wrong weight thousands
/// of times more.
///
/// Where the KV caches hold 16 bits, both forwards round the same keys and values, but not quite: float32 values that
/// part by a relative d fall to different neighbours in d / u of the cases, u being the spacing of the cache's numbers
/// (2^-10 for f16, 2^-7 for bf16), and then part by u. That is an independent error of sqrt(d / u) x u = sqrt(d x u) of
/// each element, twice a layer, which adds up as a root over the layers: sqrt(d x u x 2 layers), d being the bound
/// above. In a small model such flips are few, and one counts: u / 2 of one element among the kv_size of a row, u / (2
/// sqrt(kv_size)). Twice the sum of both is allowed on top: the golden models reach up to 0.7 of it, a cache that is
/// not rounded at all, or to another type, usually more than all of it.
[[nodiscard]] double logit_tolerance(const model::ModelConfig& config, double largest_logit,
                                     abi::Dtype kv_dtype = abi::Dtype::kF32);

}  // namespace amk::eval
