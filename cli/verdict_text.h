// A verdict for people.
#pragma once

#include <string>

#include "eval/verdict.h"
#include "validator/validator.h"

namespace amk::cli {

/// What was established, of what; then the findings in full.
[[nodiscard]] std::string verdict_text(const eval::Verdict& verdict);

/// Every finding in full, numbered, and the outcome as the last line.
[[nodiscard]] std::string findings_text(const eval::Verdict& verdict);

}  // namespace amk::cli
