#include "mcp/tools/excluded_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace amk::mcp {

Result<std::vector<Tool>> without_tools(std::vector<Tool> tools, const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const Tool& tool : tools) known.push_back(tool.name);
  for (const std::string& name : names) {
    if (std::ranges::count(known, name) > 0) continue;
    return Error{ErrorCode::kUsage,
                 fmt::format("expected names of tools, found '{}'{}", name, did_you_mean(name, known)),
                 "--exclude-tools", fmt::format("there are {}", join(known))};
  }
  std::erase_if(tools, [&](const Tool& tool) { return std::ranges::count(names, tool.name) > 0; });
  return tools;
}

}  // namespace amk::mcp
