// Robust summaries of repeated measurements. Pure functions; the same input gives the same output everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace amk::eval {

/// The value below which the share `q` of [0, 1] of `values` lies, linearly between neighbours; NaN of no values.
[[nodiscard]] double quantile(std::vector<double> values, double q);

struct Spread {
  double median = 0;
  double p10 = 0;
  double p90 = 0;
};
[[nodiscard]] Spread spread_of(const std::vector<double>& values);

/// A statistic and the interval that holds it with 95% confidence.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

/// numerator[i] / denominator[i], pair by pair: what ran in the same round is compared with each other, so that drift
/// of the clock cancels. The spans are of one length.
[[nodiscard]] std::vector<double> paired_ratios(std::span<const double> numerator, std::span<const double> denominator);

/// The median of `values` and its 95% percentile-bootstrap interval (Efron and Tibshirani, An Introduction to the
/// Bootstrap, section 13.3) from `resamples` resamples drawn with `seed`.
[[nodiscard]] Estimate median_with_confidence(const std::vector<double>& values, uint64_t seed = 1,
                                              uint32_t resamples = 2000);

}  // namespace amk::eval
