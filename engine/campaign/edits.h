// What edits of programs have in common.
#pragma once

#include <optional>

#include "base/random.h"
#include "campaign/mutation.h"
#include "schedule/program.h"

namespace amk::campaign {

/// A mutation at work.
struct Edit {
  schedule::Program& program;
  Site site;
  Random& random;

  [[nodiscard]] schedule::Task& task() const { return program.tasks[site.first]; }
  [[nodiscard]] schedule::Wait& wait() const { return task().waits[site.second]; }
  [[nodiscard]] abi::Range& range() const { return task().ranges[site.second]; }
  [[nodiscard]] schedule::Page& page() const { return program.pages[site.first]; }
  /// In [0, bound), bound > 0.
  [[nodiscard]] uint32_t below(size_t bound) const { return static_cast<uint32_t>(random.below(bound)); }
  [[nodiscard]] bool coin() const { return random.below(2) == 0; }
};

/// One function a row of mutation.def.
#define AMK_MUTATION(Name, text, sites, known, doc) Known apply_##Name(const Edit& edit);
#include "campaign/mutation.def"

/// Sites of OverCapacity, LaterUnit, IllegalKnob and WrongTarget: the ways that edits_form.cpp has of each.
inline constexpr size_t kExcessCount = 12;
inline constexpr size_t kLaterUnitCount = 2;
inline constexpr size_t kIllegalKnobCount = 4;
inline constexpr size_t kWrongTargetCount = 2;

/// Tasks that increment a counter.
[[nodiscard]] uint32_t producers_of(const schedule::Program& program, CounterId counter);
/// Every wait becomes one for all producers of its counter; waits for counters without any go.
void join_waits(schedule::Program& program);
/// Every page's live range becomes what the tasks' ranges say.
void refresh_lives(schedule::Program& program);
/// The ranges of `task` become what its instruction does; false, and nothing changes, where the parameters do not fit.
[[nodiscard]] bool derive_ranges(const schedule::Program& program, schedule::Task& task);

/// Where a task's tile begins and how long it is, among its parameters.
struct Tile {
  uint32_t* begin;
  uint32_t* count;
};
[[nodiscard]] std::optional<Tile> tile_of(instructions::Params& params);
/// The parameter kv_head; null where there is none.
[[nodiscard]] uint32_t* kv_head_of(instructions::Params& params);
/// Whether the task multiplies by a matrix that is streamed in chunks.
[[nodiscard]] bool streams(const schedule::Task& task);

}  // namespace amk::campaign
