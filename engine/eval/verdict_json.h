// A verdict as JSON, with the keys that docs/cli.md lists.
#pragma once

#include <string>

#include "eval/verdict.h"

namespace amk::eval {

/// Pretty-printed, two spaces; ends with a newline.
[[nodiscard]] std::string verdict_to_json(const Verdict& verdict);

/// The findings alone, as an array: rule, family, message, mend, tasks, buffer, begin, end, text.
[[nodiscard]] std::string findings_to_json(const Verdict& verdict);

}  // namespace amk::eval
