// --exclude-tools: all tools but some.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "mcp/core/tool.h"

namespace amk::mcp {

/// Those that are left. kUsage for a name of none.
Result<std::vector<Tool>> without_tools(std::vector<Tool> tools, const std::vector<std::string>& names);

}  // namespace amk::mcp
