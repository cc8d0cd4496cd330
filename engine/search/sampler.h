// Schedules drawn at random around another: what a corpus is recorded from, and a warm start chooses among.
#pragma once

#include "base/random.h"
#include "schedule/schedule_config.h"

namespace amk::search {

/// `base` with 1 to `knobs_max` knobs turned, every number of them, knob and value equally likely. Integers take the
/// powers of two times their step and, where they have it, "auto"; how many tokens a launch decodes is left alone.
[[nodiscard]] schedule::ScheduleConfig sample_near(const schedule::ScheduleConfig& base, uint32_t knobs_max,
                                                   Random& random);

}  // namespace amk::search
