// Small questions about one row of logits.
#pragma once

#include <cstdint>
#include <span>

namespace amk::eval {

/// Index of the largest; the lowest index wins a tie. `logits` is not empty.
[[nodiscard]] uint32_t best_token(std::span<const float> logits);

/// Distance between the largest and the second largest: two forwards whose logits differ by up to half of it agree on
/// the best token. Infinite for a single logit.
[[nodiscard]] float top_margin(std::span<const float> logits);

/// Largest distance between two rows of one length; NaN where either holds one.
[[nodiscard]] double largest_difference(std::span<const float> a, std::span<const float> b);

/// Largest magnitude.
[[nodiscard]] double largest_magnitude(std::span<const float> logits);

}  // namespace amk::eval
