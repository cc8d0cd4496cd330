// How far two forwards of one model may differ by rounding alone.
#pragma once

#include "abi/dtype.h"
#include "model/model_config.h"
#include "schedule/program.h"

namespace amk::eval {

/// What a product does to its input before it multiplies.
enum class InputRounding : uint8_t {
  kNone,        ///< float32 all the way
  kBf16Parts,   ///< the sum of two bfloat16 values, for bf16 weights on tensor cores
  kInt8Digits,  ///< three int8 digits of a part of the largest magnitude in 128 columns, for quantised weights there
};

/// The coarsest of what a GPU does for this program. The reference VM multiplies in float32 whatever the program says.
[[nodiscard]] InputRounding input_rounding(const schedule::Program& program);

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
///
/// Tensor cores round a product's input. As two bfloat16 values, each within 2^-9 of what it stands for: 2^-18 of every
/// element, so a spacing of e = 2^-17 where float32 has 2^-23. As three int8 digits: 2^-21 of the largest magnitude
/// among 128 columns, which is at most sqrt(128) times their root mean square: e = sqrt(128) x 2^-21 = 2^-17.5. The
/// elements' errors are independent, so a sum's relative error is that of its elements, however many there are; what
/// adds up, as a root, are the products that follow one another: four a layer and the head. e x sqrt(4 layers + 1) is
/// allowed on top, and counts as a difference before 16-bit caches. A model of 16 layers was seen to reach 8e-6 of its
/// logits with two bfloat16 values and 3e-6 with three digits, an eighth and a fourteenth of that.
[[nodiscard]] double logit_tolerance(const model::ModelConfig& config, double largest_logit,
                                     abi::Dtype kv_dtype = abi::Dtype::kF32,
                                     InputRounding rounding = InputRounding::kNone);

}  // namespace amk::eval
