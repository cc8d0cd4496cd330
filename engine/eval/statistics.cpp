#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "base/random.h"

namespace amk::eval {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double at = std::clamp(q, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  const double part = at - static_cast<double>(below);
  return values[below] + part * (values[above] - values[below]);
}

Spread spread_of(const std::vector<double>& values) {
  return {quantile(values, 0.5), quantile(values, 0.1), quantile(values, 0.9)};
}

std::vector<double> paired_ratios(std::span<const double> numerator, std::span<const double> denominator) {
  AMK_ASSERT(numerator.size() == denominator.size(), "pairs of samples");
  std::vector<double> out;
  for (size_t i = 0; i < numerator.size(); ++i) out.push_back(numerator[i] / denominator[i]);
  return out;
}

Estimate median_with_confidence(const std::vector<double>& values, uint64_t seed, uint32_t resamples) {
  Estimate out;
  out.value = quantile(values, 0.5);
  out.low = out.high = out.value;
  if (values.size() < 2 || resamples == 0) return out;
  Random random(seed);
  std::vector<double> medians;
  std::vector<double> drawn(values.size());
  for (uint32_t i = 0; i < resamples; ++i) {
    for (double& value : drawn) value = values[random.below(values.size())];
    medians.push_back(quantile(drawn, 0.5));
  }
  out.low = quantile(medians, 0.025);
  out.high = quantile(std::move(medians), 0.975);
  return out;
}

}  // namespace amk::eval
