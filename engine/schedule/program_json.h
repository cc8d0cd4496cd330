// The schedule IR as JSON: stable (the same program gives the same bytes), versioned, one record a line.
//
// docs/ir-spec.md describes the form. Reading checks the form alone: every key known, every value of its type, every
// name in its table. Whether the program makes sense is the validator's question.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "schedule/program.h"

namespace amk::schedule {

[[nodiscard]] std::string program_to_json(const Program& program);

/// kBadInput, naming the place ("tasks[17].reads[0].begin") and what was expected there.
Result<Program> program_from_json(std::string_view text, const std::string& location);

}  // namespace amk::schedule
