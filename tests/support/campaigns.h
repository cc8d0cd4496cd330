// Made-up campaigns, for tests of what looks back at them.
#pragma once

#include <string>
#include <utility>

#include "search/search_space.h"
#include "support/trials.h"

namespace amk::test {

/// A campaign whose trials are added one by one; what is kept becomes its incumbent.
struct MadeUpCampaign {
  search::Campaign campaign;

  explicit MadeUpCampaign(std::string name, double latency_us = 100, double floor_us = 50,
                          eval::LatencyKind kind = eval::LatencyKind::kPredicted) {
    campaign.name = std::move(name);
    campaign.header = a_header();
    campaign.header.kind = kind;
    if (kind == eval::LatencyKind::kMeasuredGpu) campaign.header.device = "NVIDIA H100 80GB HBM3";
    campaign.start = {0, {}, "000000000000", latency_us, floor_us};
    campaign.incumbent = campaign.start;
    campaign.begun = 1764288000;
  }

  /// A correct candidate whose latency is `ratio` of the incumbent's; kept where it is at least 1% faster.
  MadeUpCampaign& tried(const schedule::ScheduleConfig& config, double ratio, double half_width = 0) {
    search::Trial& trial = next(config);
    const bool kept = ratio + half_width <= 0.99;
    const double latency = campaign.incumbent.latency_us * ratio;
    trial.schedule_id = "00000000000" + std::to_string(trial.number % 10);
    trial.outcome = kept ? search::Outcome::kKept : search::Outcome::kReverted;
    trial.reason = kept ? "faster" : "not 1% faster: 0.50% slower";
    trial.correctness = {true, true, true, 1e-6, 1e-4, 16, campaign.header.device};
    trial.measurement = search::Measurement{campaign.header.kind,
                                            latency,
                                            campaign.incumbent.latency_us,
                                            campaign.incumbent.floor_us,
                                            {ratio, ratio - half_width, ratio + half_width},
                                            half_width > 0 ? 40U : 0U,
                                            3};
    if (kept) campaign.incumbent = search::incumbent_after(campaign.incumbent, trial);
    return *this;
  }
  MadeUpCampaign& failed(const schedule::ScheduleConfig& config, search::Outcome outcome, std::string reason) {
    search::Trial& trial = next(config);
    trial.outcome = outcome;
    trial.reason = std::move(reason);
    return *this;
  }
  /// `count` trials that change nothing for the better.
  MadeUpCampaign& idle(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) tried(turned(2 + i % 30), 1.01);
    return *this;
  }

  /// The incumbent with one knob turned.
  [[nodiscard]] schedule::ScheduleConfig turned(uint32_t depth) const {
    schedule::ScheduleConfig out = campaign.incumbent.config;
    out.pipelining_depth = depth;
    return out;
  }

 private:
  search::Trial& next(const schedule::ScheduleConfig& config) {
    search::Trial trial;
    trial.number = static_cast<uint32_t>(campaign.trials.size()) + 1;
    trial.proposal = {config, search::describe_change(campaign.incumbent.config, config), "", "greedy", ""};
    return campaign.trials.emplace_back(std::move(trial));
  }
};

}  // namespace amk::test
