// A schedule and its program as numbers: what a prior sees. docs/research-loop.md lists them.
//
// Most are one for each value of a knob: what a value is worth is learned apart from the values beside it.
#pragma once

#include <string>
#include <vector>

#include "schedule/schedule_config.h"
#include "search/trial.h"

namespace amk::search {

struct PriorFeature {
  std::string name;  ///< "knob:pipelining_depth=8", "quantised knob:pipelining_depth=8", "program:stages", ...
  double value = 0;

  bool operator==(const PriorFeature&) const = default;
};

/// Each name at most once; what is not there is 0.
[[nodiscard]] std::vector<PriorFeature> prior_features(const schedule::ScheduleConfig& config,
                                                       const ProgramFacts& facts, const CampaignHeader& about);

}  // namespace amk::search
