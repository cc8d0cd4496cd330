// Small random programs, dense in near misses: mostly sound, or wrong in one place.
#pragma once

#include "base/random.h"
#include "schedule/program.h"

namespace amk::campaign {

/// A program of 1 to 9 tasks on 1 to 4 SMs: slices of vectors filled, added and multiplied, or the heads of an
/// attention from cache to output. Tasks wait for what they conflict with, now and then for less. Ranges are what the
/// instructions do, names exist, the launch is sound; order, coverage and pages need not be.
[[nodiscard]] schedule::Program small_program(Random& random);

}  // namespace amk::campaign
