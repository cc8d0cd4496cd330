// What came of a call, as tools/call answers it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mcp/core/message.h"
#include "mcp/core/schema.h"
#include "mcp/core/tool.h"

namespace amk::mcp {

/// The text in front of a list of what is wrong with the arguments, and the list.
[[nodiscard]] std::string argument_problems(const Tool& tool, const std::vector<SchemaFinding>& findings);

/// A result of tools/call. One that does not fit the tool's own schema is our bug, and an error.
[[nodiscard]] Answer call_result(const Tool& tool, const ToolResult& result);

/// The result "input_required" of 2026-07-28, or why there can be none. `sealed` is what is to be kept; empty: nothing.
[[nodiscard]] Answer asking_result(const Json& requests, const std::string& sealed, const Json& capabilities);

/// The tool called. No exception of a tool's ends the server: that is the error. `result` is what the tool returned.
[[nodiscard]] std::optional<RpcError> run_guarded(const Tool& tool, const Json& arguments, CallContext& context,
                                                  ToolResult& result);

}  // namespace amk::mcp
