// Plans as files: WORKSPACE/plans/NAME.json. Each write is there in full or not at all; who writes holds the
// workspace's lock.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "search/orchestrate.h"

namespace amk::search {

[[nodiscard]] std::string plan_to_json(const Plan& plan);
/// kBadInput where the text is no plan.
Result<Plan> plan_from_json(std::string_view text, const std::string& location);

/// nullopt where there is none of that name; kUsage for a name that cannot be one's (as of campaigns).
Result<std::optional<Plan>> read_plan(const std::filesystem::path& workspace, const std::string& name);
/// Makes the directory where there is none.
Status write_plan(const std::filesystem::path& workspace, const Plan& plan);
/// Names of the plans that are there, sorted; what a writer that was killed left behind is none.
[[nodiscard]] std::vector<std::string> plan_names(const std::filesystem::path& workspace);

}  // namespace amk::search
