// The command line's grammar: verbs, options, their ranges and help.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "cli/exit_code.h"
#include "cli/output.h"

namespace amk::cli {

/// What was asked for: a text to print, or a verb to run.
struct Request {
  std::string text;                          ///< --help or --version; printed on stdout
  std::function<Result<Exit>(Output&)> run;  ///< empty when there is only text
  bool quiet = false;
  bool progress_lines = false;
};

/// kUsage for anything that is not in the grammar, with the nearest name.
Result<Request> parse_arguments(int argc, const char* const* argv);

/// Whether --json is among the arguments: known before they are parsed, so that their errors can be JSON too.
[[nodiscard]] bool wants_json(int argc, const char* const* argv);

}  // namespace amk::cli
