#include "search/decision.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/assert.h"

namespace amk::search {
namespace {

/// The largest k with P(Binomial(n, 1/2) < k) <= tail: the k-th smallest and the k-th largest of n values enclose the
/// median but for that probability on each side. 0 where there is none.
size_t rank_of_tail(size_t n, double tail) {
  double log_mass = -static_cast<double>(n) * std::log(2.0);  // of 0 successes
  double below = 0;
  size_t k = 0;
  while (k <= n / 2) {
    below += std::exp(log_mass);
    if (below > tail) return k;
    log_mass += std::log(static_cast<double>(n - k)) - std::log(static_cast<double>(k + 1));
    ++k;
  }
  return k;
}

std::string percent_faster(double ratio) {
  return fmt::format("{:.2f}% {}", 100 * std::abs(1 - ratio), ratio <= 1 ? "faster" : "slower");
}

}  // namespace

eval::Estimate median_interval(std::span<const double> values, double confidence) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> sorted(values.begin(), values.end());
  eval::Estimate out{eval::quantile(sorted, 0.5), -kInfinity, kInfinity};
  const size_t rank = rank_of_tail(sorted.size(), (1 - confidence) / 2);
  if (rank == 0) return out;
  std::sort(sorted.begin(), sorted.end());
  out.low = sorted[rank - 1];
  out.high = sorted[sorted.size() - rank];
  return out;
}

KeepRules KeepRules::after_ties(double behind_best) const {
  constexpr double kShown = 0.0005;
  KeepRules out = *this;
  out.tie_margin = (1 + tie_margin) / behind_best - 1;
  if (out.tie_margin < kShown) out.tie_margin = 0;
  return out;
}

double behind_after(double behind_best, const eval::Estimate& ratio) { return std::max(1.0, behind_best * ratio.high); }

eval::Estimate look_at(std::span<const double> ratios, const KeepRules& rules) {
  return median_interval(ratios, 1 - (1 - rules.confidence) / rules.looks);
}

std::optional<Choice> choose(const eval::Estimate& ratio, const KeepRules& rules, bool simpler, bool last_look) {
  if (ratio.high <= 1 - rules.min_gain && ratio.high < 1) return Choice::kKeepFaster;
  const bool may_tie = simpler && rules.tie_margin > 0;
  if (may_tie && ratio.low <= 1 && ratio.high <= 1 + rules.tie_margin) return Choice::kKeepSimpler;
  const double hopeless = may_tie ? 1 : 1 - rules.min_gain;
  if (ratio.low > hopeless) return Choice::kRevertNotFaster;
  return last_look ? std::optional(Choice::kRevertUndecided) : std::nullopt;
}

Choice choose_exact(double ratio, const KeepRules& rules, bool simpler) {
  return choose({ratio, ratio, ratio}, rules, simpler, true).value_or(Choice::kRevertUndecided);
}

std::string gain_text(const eval::Estimate& ratio, double confidence) {
  return fmt::format("{} ({:.0f}%: {} to {})", percent_faster(ratio.value), 100 * confidence,
                     percent_faster(ratio.high), percent_faster(ratio.low));
}

}  // namespace amk::search
