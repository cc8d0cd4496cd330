// Keep or revert: what follows from paired times of a candidate and an incumbent.
//
// Pure. Both are timed in blocks (eval/machine.h), and a block gives one ratio, candidate / incumbent, in which drift
// of the clock cancels. The interval of the median ratio comes from order statistics, whose coverage depends on nothing
// but that blocks are independent: no normal distribution, no equal variances. It is looked at a few times, at sizes
// fixed beforehand, and each look has its share of the error (Bonferroni): what is decided early is as sure as what is
// decided at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "eval/statistics.h"

namespace amk::search {

/// When a candidate replaces an incumbent.
struct KeepRules {
  double min_gain = 0.01;  ///< of the incumbent's latency, that a keep must be worth
  /// What simpler schedules may cost together, for all we know; none may be slower for sure.
  double tie_margin = 0.005;
  double confidence = 0.95;  ///< over all looks together, two-sided
  uint32_t first_look = 20;  ///< blocks
  uint32_t looks = 6;        ///< each at twice the blocks of the one before

  /// Blocks at the i-th look, counted from 0; the last is the budget.
  [[nodiscard]] uint32_t blocks_at(uint32_t look) const { return first_look << look; }
  [[nodiscard]] uint32_t blocks_max() const { return blocks_at(looks - 1); }

  /// The same with what is left of the margin for ties; none where that is less than the last look can show.
  [[nodiscard]] KeepRules after_ties(double behind_best) const;
};

/// How far behind the fastest before it a schedule may be that replaces one which was `behind_best`: the chain of the
/// upper ends of the ratios, at least 1.
[[nodiscard]] double behind_after(double behind_best, const eval::Estimate& ratio);

enum class Choice : uint8_t {
  kKeepFaster,       ///< faster by min_gain, with confidence
  kKeepSimpler,      ///< a tie, and simpler: it may be as fast, and costs no more than tie_margin, with confidence
  kRevertNotFaster,  ///< not faster by min_gain, with confidence
  kRevertUndecided,  ///< the budget is spent
};
[[nodiscard]] constexpr bool keeps(Choice choice) {
  return choice == Choice::kKeepFaster || choice == Choice::kKeepSimpler;
}

/// The median of `values` and the interval between two order statistics that holds the true median with at least
/// `confidence`; [-infinity, infinity] where there are too few values for that. Source: Conover, Practical
/// Nonparametric Statistics, section 3.2.
[[nodiscard]] eval::Estimate median_interval(std::span<const double> values, double confidence);

/// What the ratios (candidate / incumbent) say at this look; nullopt: go on to the next. `simpler`: the candidate turns
/// fewer knobs than the incumbent; that counts for nothing without a margin for ties.
[[nodiscard]] std::optional<Choice> choose(const eval::Estimate& ratio, const KeepRules& rules, bool simpler,
                                           bool last_look);

/// The interval at a look: its share of the error only.
[[nodiscard]] eval::Estimate look_at(std::span<const double> ratios, const KeepRules& rules);

/// The same rules where both latencies are exact, as predictions are: no interval, one look.
[[nodiscard]] Choice choose_exact(double ratio, const KeepRules& rules, bool simpler);

/// "2.10% faster (95%: 1.80% to 2.40%)", "0.20% slower (...)".
[[nodiscard]] std::string gain_text(const eval::Estimate& ratio, double confidence);

}  // namespace amk::search
