#include <algorithm>
#include <set>
#include <utility>

#include "base/random.h"
#include "schedule/schedule_config_json.h"
#include "search/proposer.h"
#include "search/search_space.h"
#include "search/tried.h"

namespace amk::search {
namespace {

using schedule::ScheduleConfig;

/// One knob turned.
struct Step {
  std::string knob;
  ScheduleConfig config;
};

std::vector<Step> neighbours_of(const ScheduleConfig& from) {
  std::vector<Step> out;
  for (const Knob& knob : search_space(from)) {
    if (!changes_a_pass(knob.path)) continue;
    for (const std::string& value : knob.neighbours) {
      Step step{knob.path, from};
      if (schedule::set_knob(step.config, knob.path, value).ok()) out.push_back(std::move(step));
    }
  }
  return out;
}

uint32_t trials_since_keep(const Campaign& campaign) { return trials_drawn(campaign) - campaign.incumbent.trial; }

/// A place some knobs away from the incumbent: the same whenever it is asked for.
ScheduleConfig fresh_place(const Campaign& campaign, const WalkOptions& options, uint32_t index) {
  Random random(mix64(campaign.header.seed) ^ mix64((uint64_t{campaign.incumbent.trial} << 32U) + index + 1));
  ScheduleConfig out = campaign.incumbent.config;
  for (uint32_t i = 0; i < options.region_knobs; ++i) {
    std::vector<Step> steps = neighbours_of(out);
    if (steps.empty()) break;
    // A knob first, then a value: knobs with many values are not turned more often.
    const std::string knob = steps[random.below(steps.size())].knob;
    std::erase_if(steps, [&](const Step& step) { return step.knob != knob; });
    out = steps[random.below(steps.size())].config;
  }
  return out;
}

/// One knob of the incumbent that was turned alone.
struct NearGain {
  std::string path;
  std::string value;
  double ratio = 1;  ///< candidate / incumbent
};

/// Of each knob that made the incumbent faster, but not by enough, the value that did most; best first.
std::vector<NearGain> near_gains(const Campaign& campaign, const WalkOptions& options) {
  std::vector<NearGain> out;
  for (const Trial& trial : campaign.trials) {
    if (trial.number <= campaign.incumbent.trial || !trial.measurement) continue;
    if (trial.measurement->against.value_or(campaign.incumbent.trial) != campaign.incumbent.trial) continue;
    const double ratio = trial.measurement->ratio.value;
    const std::vector<KnobChange> changes = changed_knobs(campaign.incumbent.config, trial.proposal.config);
    if (changes.size() != 1 || ratio > 1 - options.near_gain) continue;
    const KnobChange& only = changes.front();
    const auto same = std::ranges::find(out, only.path, &NearGain::path);
    if (same == out.end()) {
      out.push_back({only.path, only.to, ratio});
    } else if (ratio < same->ratio) {
      *same = {only.path, only.to, ratio};
    }
  }
  std::ranges::stable_sort(out, {}, &NearGain::ratio);
  return out;
}

class Walk final : public Proposer {
 public:
  Walk(const WalkOptions& options, Rank rank) : options_(options), rank_(std::move(rank)) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) override {
    const std::set<std::string> tried = tried_in(campaign);
    const uint32_t idle = trials_since_keep(campaign);
    if (idle >= options_.combine_after) {
      if (std::optional<Proposal> together = combined(campaign, tried)) return together;
    }
    if (idle < options_.restart_after) {
      std::optional<Proposal> near = around(campaign.incumbent.config, campaign, tried, false);
      if (near) return near;
    }
    const uint32_t stuck = idle < options_.restart_after ? 0 : idle - options_.restart_after;
    const uint32_t first = stuck / options_.region_trials;
    // Regions whose neighbours have all been tried are passed over; after many of those there is nothing left.
    for (uint32_t region = first; region < first + kRegionsMax; ++region) {
      const ScheduleConfig place = best_place(campaign, region);
      if (!tried.contains(schedule::config_to_json(place))) return proposal(place, "", "restart", campaign);
      std::optional<Proposal> near = around(place, campaign, tried, true);
      if (near) return near;
    }
    return std::optional<Proposal>();
  }

 private:
  static constexpr uint32_t kRegionsMax = 64;

  static Proposal proposal(const ScheduleConfig& config, std::string knob, const char* how, const Campaign& campaign) {
    return {config, describe_change(campaign.incumbent.config, config), std::move(knob), how, ""};
  }

  /// What was faster one knob at a time, but short of a keep, turned at once: all of it, then the best two, three and
  /// so on; whichever has not been tried.
  [[nodiscard]] std::optional<Proposal> combined(const Campaign& campaign, const std::set<std::string>& tried) const {
    const std::vector<NearGain> gains = near_gains(campaign, options_);
    for (size_t i = 0; i + 1 < gains.size(); ++i) {
      const size_t count = i == 0 ? gains.size() : i + 1;
      ScheduleConfig config = campaign.incumbent.config;
      bool legal = true;
      for (size_t k = 0; k < count; ++k)
        legal = legal && schedule::set_knob(config, gains[k].path, gains[k].value).ok();
      if (legal && !tried.contains(schedule::config_to_json(config))) return proposal(config, "", "combined", campaign);
    }
    return std::nullopt;
  }

  /// The best ranked of a few fresh places, since most that are drawn blindly are slow, and so is what is around them;
  /// the first where none has a rank.
  [[nodiscard]] ScheduleConfig best_place(const Campaign& campaign, uint32_t region) const {
    ScheduleConfig best;
    std::optional<double> best_us;
    for (uint32_t i = 0; i < options_.region_draw; ++i) {
      ScheduleConfig place = fresh_place(campaign, options_, region * options_.region_draw + i);
      const std::optional<double> us = rank_(place);
      if (i != 0 && (!us || (best_us && *us >= *best_us))) continue;
      best = std::move(place);
      best_us = us;
    }
    return best;
  }

  /// An untried neighbour of `place`: at random, or the best ranked of a few.
  std::optional<Proposal> around(const ScheduleConfig& place, const Campaign& campaign,
                                 const std::set<std::string>& tried, bool elsewhere) const {
    std::vector<Step> steps = neighbours_of(place);
    std::erase_if(steps, [&](const Step& step) { return tried.contains(schedule::config_to_json(step.config)); });
    if (steps.empty()) return std::nullopt;
    Random random(mix64(campaign.header.seed ^ mix64(uint64_t{trials_drawn(campaign)} + 1)));
    const bool at_random = random.uniform() < options_.epsilon;
    for (size_t i = 0; i < steps.size(); ++i) std::swap(steps[i], steps[i + random.below(steps.size() - i)]);
    const Step* chosen = at_random ? &steps.front() : best_of(steps);
    if (chosen == nullptr) chosen = &steps.front();
    const char* how = elsewhere ? "restart" : at_random ? "random" : "greedy";
    return proposal(chosen->config, chosen->knob, how, campaign);
  }

  /// The best ranked among the first few; null where none of them has a rank.
  const Step* best_of(const std::vector<Step>& steps) const {
    const Step* best = nullptr;
    double best_us = 0;
    for (size_t i = 0; i < std::min<size_t>(steps.size(), options_.draw); ++i) {
      const std::optional<double> us = rank_(steps[i].config);
      if (!us || (best != nullptr && *us >= best_us)) continue;
      best = &steps[i];
      best_us = *us;
    }
    return best;
  }

  WalkOptions options_;
  Rank rank_;
};

}  // namespace

std::unique_ptr<Proposer> make_walk(const WalkOptions& options, Rank rank) {
  return std::make_unique<Walk>(options, std::move(rank));
}

}  // namespace amk::search
