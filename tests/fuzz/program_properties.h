// What must hold of any program whatever, however broken: the properties that the fuzzers of programs check.
#pragma once

#include "schedule/program.h"

namespace amk::fuzz {

/// Validates `program`; a property that fails ends the process with its name.
///
/// - A validator that has seen other programs finds what a fresh one finds.
/// - The verdict follows from the findings, and each finding can be put in words.
/// - Which SM has which number does not matter to the verdict.
/// - An accepted program is written as JSON and read back unchanged.
void check_properties(const schedule::Program& program);

}  // namespace amk::fuzz
