// How good an order was: rank correlations of what was expected of trials with what came of them.
//
// Pure. What came of a trial is its latency relative to the campaign's start, as a product of ratios that were each
// established side by side: a machine that was slower in the morning does not matter.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "search/trial.h"

namespace amk::search {

/// log(latency / the start's latency) of each of a campaign's trials, in the order of their numbers: the ratios of the
/// keeps before it, and its own. nullopt where it has no latency, and for everything after a trial that is missing,
/// whose keep nobody knows of.
[[nodiscard]] std::vector<std::optional<double>> log_ratios_to_start(std::span<const Trial* const> trials);

/// Spearman's rank correlation, ties at their mean rank; nullopt for fewer than 3 pairs or where one side is constant.
/// Source: Conover, Practical Nonparametric Statistics, section 5.4.
[[nodiscard]] std::optional<double> rank_correlation(std::span<const double> a, std::span<const double> b);

/// Of a campaign: 1 is a perfect order, 0 none.
struct RankQuality {
  uint32_t trials = 0;               ///< that have a latency and what is compared
  std::optional<double> cost_model;  ///< predicted latency against what came
  std::optional<double> prior;       ///< prior_us against what came; nullopt without a prior
};
/// Of the trials from number `from` on.
[[nodiscard]] RankQuality rank_quality(std::span<const Trial> trials, uint32_t from = 1);

}  // namespace amk::search
