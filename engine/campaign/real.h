// Real lowerings: models, schedules and targets drawn from a grid, lowered as a user's would be.
#pragma once

#include "base/random.h"
#include "schedule/program.h"

namespace amk::campaign {

enum class Size : uint8_t {
  kSmall,  ///< at most kSmallTasksMax tasks
  kAny,    ///< now and then a published model's
};
inline constexpr size_t kSmallTasksMax = 320;

/// A shape, a weight format, a type of KV cache, a context, a target and every knob, each the default or drawn from its
/// values; lowered. Draws that lowering refuses with a reason (a context too small, a ring too large) are drawn again.
[[nodiscard]] schedule::Program real_program(Random& random, Size size);

}  // namespace amk::campaign
