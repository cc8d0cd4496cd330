// A verdict for people.
#pragma once

#include <string>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "eval/verdict.h"
#include "validator/validator.h"

namespace amk::cli {

/// What was established, of what; then the findings in full.
[[nodiscard]] std::string verdict_text(const eval::Verdict& verdict);

/// Every finding in full, numbered, and the outcome as the last line.
[[nodiscard]] std::string findings_text(const eval::Verdict& verdict);

/// Where a verb needs an accepted program and has none: the findings on stderr, or as the document
/// {valid, verdict, findings}. Always kNegative.
Exit report_refusal(const eval::Verdict& verdict, Output& output);

}  // namespace amk::cli
