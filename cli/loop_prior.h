// Which prior a run of the loop goes by: a new campaign's is learned, one that goes on has its own again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "search/history.h"
#include "search/prior.h"
#include "search/workspace.h"

namespace amk::cli {

/// As --prior, --corpus and the campaign say; nothing where there is none, and a note says why. What a prior was
/// learned from is kept in the workspace as priors/ID.jsonl, from where a campaign that goes on has it again. `there`
/// is the campaign that goes on, or null. kUsage and kBadInput for files that were named and cannot be used.
Result<std::optional<search::Prior>> prior_for(const LoopOptions& options, const search::Workspace& workspace,
                                               const search::CampaignHeader* there, eval::LatencyKind kind,
                                               const std::string& target, std::vector<std::string>& notes);

}  // namespace amk::cli
