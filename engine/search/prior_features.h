// A schedule, its program, its model and its target as numbers: what a prior sees.
//
// One table of names and one function; docs/research-loop.md lists them. Sizes are log2, choices one number each.
#pragma once

#include <string>
#include <vector>

#include "schedule/schedule_config.h"
#include "search/trial.h"

namespace amk::search {

/// As many as prior_features() returns, in its order: "knob:pipelining_depth", "program:levels_per_layer", ...
[[nodiscard]] const std::vector<std::string>& prior_feature_names();

/// `about` must have a shape and a target of target.def.
[[nodiscard]] std::vector<double> prior_features(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                                                 const CampaignHeader& about);

}  // namespace amk::search
