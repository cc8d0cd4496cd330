// The program amk as what a tool runs: arguments to a command line, its one JSON document back.
//
// A tool that computes is a child of this process. Whatever happens to it, a hang, a crash, a library that prints, a
// caller who has lost interest, happens to it alone, and its memory goes with it. No shell is involved anywhere.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/core/json.h"
#include "mcp/core/tool.h"

namespace amk::mcp {

/// $AMK_PROGRAM, else amk beside the running program. kIo where it is not there.
Result<std::string> amk_program();

/// "amk VERB --name=value ... -- SOURCE": every argument is an option of the same name, with hyphens for underscores.
/// Objects are passed as JSON, lists with commas; false and null are left out. `source` names the argument that is no
/// option; those in `not_options` are ours. kUsage where a text holds a zero byte.
Result<std::vector<std::string>> amk_command(std::string_view verb, const Json& arguments, const std::string& source,
                                             const std::vector<std::string>& not_options = {});

/// The document of a verb that takes no more than `deadline`, while the call is wanted. An {"error": ...} becomes the
/// Error it is. kInternal where the program says no JSON, hangs or crashes.
Result<Json> run_amk(const std::vector<std::string>& command, std::chrono::milliseconds deadline, CallContext& context);

/// The Error of a document {"error": ...}; nullopt where it is none.
[[nodiscard]] std::optional<Error> error_in(const Json& document);

/// The last line of progress in what amk has written to stderr, in words; empty: none yet.
[[nodiscard]] std::string last_progress(std::string_view stderr_text);

}  // namespace amk::mcp
