// Tools that start runs, and what is said of a run: one shape, whichever tool is asked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mcp/core/tool.h"
#include "mcp/runs/run_store.h"

namespace amk::mcp {

/// What a result comes to, and what follows.
struct Story {
  std::string summary;
  std::string next;
};
using Tell = Story (*)(const Json& result);

/// The output schema of every tool about one run.
[[nodiscard]] Json run_schema();

/// The run as those tools answer: its result in full but for long lists, which are cut and stay whole in its folder.
[[nodiscard]] Json run_json(const Run& run);

/// run_json(), with links to what the run has made.
[[nodiscard]] ToolResult run_result(const Run& run);

/// The command of a run, whose folder is there by now.
using MakeCommand = std::function<Result<std::vector<std::string>>(const std::filesystem::path& folder)>;

/// Starts a run of the tool and waits for its end, for at most "wait_s" of the arguments. A run that fails meanwhile is
/// a result that failed. When the client cancels the call, the run ends; when the server stops, it goes on.
[[nodiscard]] ToolResult start_run(RunStore& store, const std::string& tool, const Json& arguments,
                                   const MakeCommand& make_command, CallContext& context);

/// Waits for the end of a run, telling its progress and its notes from byte `told` of its log, at most that long or
/// until the call is to end.
Result<Run> wait_for_run(RunStore& store, const std::string& id, double seconds, CallContext& context,
                         uint64_t told = 0);

/// "wait_s" of the arguments, or its default.
[[nodiscard]] double wait_seconds(const Json& arguments);

/// The text of an object at that key; empty where it is none.
[[nodiscard]] std::string text_in(const Json& object, const char* key);

/// A number of the document with that many digits behind the point; "unknown" where it is none.
[[nodiscard]] std::string number_text(const Json& value, int digits = 1);

}  // namespace amk::mcp
