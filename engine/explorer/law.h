// The form that docs/ir-spec.md asks of a program, sentence by sentence: what must hold before it can be run at all.
//
// Written from that document alone; shares no code with the validator. Out of its reach, and said so in
// docs/campaign.md: an instruction's contract, its parameters, the knobs and the launch.
#pragma once

#include <optional>

#include "explorer/defect.h"
#include "schedule/program.h"

namespace amk::explorer {

/// The first breach that leaves nothing to run: a name without a record, a range outside its buffer, a task placed
/// twice, an activation without memory, a write to what is read-only.
[[nodiscard]] std::optional<Defect> breach_of_form(const schedule::Program& program);

/// The first wait whose threshold is not the number of tasks that increment its counter, or that nothing increments.
/// Such a program can run, and may even be safe; the IR forbids it all the same. References exist.
[[nodiscard]] std::optional<Defect> breach_of_joins(const schedule::Program& program);

}  // namespace amk::explorer
