#include "search/orchestrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace amk::search {
namespace {

/// Share of the latency that kept trials among the last ones won, summed.
double won_lately(const Campaign& campaign) {
  const size_t first = campaign.trials.size() - std::min<size_t>(campaign.trials.size(), kLately);
  double won = 0;
  for (size_t i = first; i < campaign.trials.size(); ++i) {
    const Trial& trial = campaign.trials[i];
    if (trial.outcome == Outcome::kKept && trial.measurement) won += std::max(0.0, 1 - trial.measurement->ratio.value);
  }
  return won;
}

/// A stored end stands until something is kept after it.
std::optional<Settled> stored_end(const PlannedCampaign& planned, const Campaign* campaign) {
  if (!planned.ended) return std::nullopt;
  if (campaign != nullptr && campaign->incumbent.trial > planned.ended->trials) return std::nullopt;
  return Settled{planned.ended->rule, planned.ended->why};
}

Standing standing_of(const Plan& plan, const PlannedCampaign& planned, const Campaign* campaign) {
  Standing out;
  out.planned = &planned;
  out.campaign = campaign;
  out.moved_on = stored_end(planned, campaign);
  if (campaign == nullptr) return out;
  if (!out.moved_on) out.moved_on = settled_by(*campaign, plan.rules());
  out.kept = static_cast<uint32_t>(std::ranges::count(campaign->trials, Outcome::kKept, &Trial::outcome));
  out.reverts = reverts_in_a_row(*campaign);
  out.speedup = speedup_of(*campaign);
  out.headroom = std::max(0.0, 1 - campaign->incumbent.floor_us / campaign->incumbent.latency_us);
  const auto lately = static_cast<double>(std::min<size_t>(campaign->trials.size(), kLately));
  out.won_per_trial = (won_lately(*campaign) + out.headroom / 2) / (lately + kPriorTrials);
  out.patience = std::exp2(-static_cast<double>(out.reverts) / kPatienceTrials);
  out.expected_gain = std::min(out.headroom, out.won_per_trial) * out.patience;
  return out;
}

}  // namespace

MoveOnRules Plan::rules() const {
  MoveOnRules out;
  out.reverts = reverts_max;
  out.pct_of_floor = pct_of_floor;
  out.speedup = speedup;
  return out;
}

std::vector<Standing> standings(const Plan& plan, std::span<const Campaign* const> campaigns) {
  AMK_ASSERT(campaigns.size() == plan.campaigns.size(), "a campaign, or none, for each of the plan");
  std::vector<Standing> out;
  for (size_t i = 0; i < campaigns.size(); ++i) out.push_back(standing_of(plan, plan.campaigns[i], campaigns[i]));
  return out;
}

std::optional<size_t> next_campaign(std::span<const Standing> standings) {
  std::optional<size_t> best;
  for (size_t i = 0; i < standings.size(); ++i) {
    const Standing& one = standings[i];
    if (one.moved_on || !one.unreadable.empty()) continue;
    if (one.campaign == nullptr) return i;
    if (!best || one.expected_gain > standings[*best].expected_gain) best = i;
  }
  return best;
}

std::string state_text(const Standing& standing) {
  if (!standing.unreadable.empty()) return "unreadable: " + standing.unreadable;
  if (standing.moved_on) {
    return fmt::format("moved on, {}: {}", kMoveOnNames[static_cast<size_t>(standing.moved_on->rule)],
                       standing.moved_on->why);
  }
  return standing.campaign == nullptr ? "not begun" : "in work";
}

std::string why_next(const Standing& standing) {
  if (standing.campaign == nullptr) return "it has not begun: nothing is known of it yet";
  return fmt::format(
      "the next trial is expected to win {:.2f}% of its latency: {:.1f}% of it is above the floor, a trial has won "
      "{:.2f}% of late, and {} trial{} in a row without a keep leave {:.0f}% of that",
      100 * standing.expected_gain, 100 * standing.headroom, 100 * standing.won_per_trial, standing.reverts,
      standing.reverts == 1 ? "" : "s", 100 * standing.patience);
}

}  // namespace amk::search
