#include <fmt/format.h>

#include <algorithm>

#include "gen/tables.h"
#include "mcp/tools/toolset.h"

namespace amk::gen {
namespace {

std::string names_of(const mcp::Json& properties) {
  std::string out;
  for (const auto& [name, unused] : properties.items()) out += fmt::format("{}`{}`", out.empty() ? "" : ", ", name);
  return out;
}

}  // namespace

std::string mcp_tools() {
  std::string out =
      "<!-- Generated from mcp/tools/ by `./dev regen`. Edit the tool, not this file. -->\n\n# The tools of amk-mcp\n\n"
      "A tool that only reads changes nothing. A run is a job: a process of its own, with a folder in the workspace, "
      "which "
      "outlives the server.\n\n"
      "| tool | for | reads / writes | run | must be given | may be given |\n"
      "|---|---|---|---|---|---|\n";
  mcp::RunStore store("");
  for (const mcp::Tool& tool : mcp::all_tools(store)) {
    const char* writes = tool.annotations.read_only ? "reads" : tool.annotations.destructive ? "ends a run" : "writes";
    mcp::Json optional = tool.input_schema["properties"];
    std::string required;
    for (const mcp::Json& name : tool.input_schema["required"]) {
      required += fmt::format("{}`{}`", required.empty() ? "" : ", ", name.get<std::string>());
      optional.erase(name.get<std::string>());
    }
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", tool.name, tool.title, writes,
                       tool.starts_run ? "yes" : "no", required, names_of(optional));
  }
  return out;
}

}  // namespace amk::gen
