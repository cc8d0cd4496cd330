// What the tools about plans share: arguments, and the command line of `amk orchestrate`.
#pragma once

#include <string>
#include <vector>

#include "mcp/core/json.h"
#include "mcp/core/tool.h"
#include "mcp/runs/run_store.h"

namespace amk::mcp {

/// plan: the name of a plan of the workspace.
[[nodiscard]] Json with_plan(Json properties);

/// "amk orchestrate ... -- ACTION" on the store's workspace.
Result<std::vector<std::string>> orchestrate_command(const RunStore& store, const std::string& action,
                                                     const Json& arguments);

/// The document of an action that only reads.
Result<Json> ask_orchestrate(const RunStore& store, const std::string& action, const Json& arguments,
                             CallContext& context);

/// The schema of one campaign of a plan, as `status` and `next` show it.
[[nodiscard]] Json standing_schema();

}  // namespace amk::mcp
