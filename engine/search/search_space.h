// The search space of a schedule: every knob of knob.def, and the values next to its present one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/trace_report.h"
#include "schedule/schedule_config.h"

namespace amk::search {

/// A loss that a knob can lessen (knob_loss.def).
struct KnobLoss {
  eval::Bottleneck loss = eval::Bottleneck::kStream;
  std::string how;
};

/// A knob as people and agents see it. Values are JSON, as `--set` and schedule files take them.
struct Knob {
  std::string path;
  std::string type;  ///< "integer", "choice", "groups" or "sms"
  std::string default_value;
  std::string present;
  uint32_t min = 0;  ///< integers: a multiple of `step` in [min, max]
  uint32_t max = 0;
  uint32_t step = 0;
  std::string unit;
  bool has_auto = false;
  std::string auto_doc;            ///< what "auto" comes to
  std::vector<std::string> names;  ///< choices: legal names; groups: legal groups
  std::string pass;                ///< the lowering pass that consumes it
  std::string doc;
  std::vector<KnobLoss> losses;         ///< that it addresses
  std::vector<std::string> neighbours;  ///< values worth trying from here, nearest first; never the present one
};

/// Every knob, in the order of knob.def.
[[nodiscard]] std::vector<Knob> search_space(const schedule::ScheduleConfig& present);

/// Those of `knobs` that address a loss; the reason is the one of that loss.
struct Addressing {
  const Knob* knob = nullptr;
  std::string how;
};
[[nodiscard]] std::vector<Addressing> knobs_against(const std::vector<Knob>& knobs, eval::Bottleneck loss);

/// Whether a knob can change how long a pass takes, which is what a search measures: not so tokens_per_launch, which
/// changes what a launch is.
[[nodiscard]] inline bool changes_a_pass(std::string_view path) { return path != "tokens_per_launch"; }

/// A knob that differs, and its value in the second of two schedules.
struct KnobChange {
  std::string path;
  std::string from;
  std::string to;
};
[[nodiscard]] std::vector<KnobChange> changed_knobs(const schedule::ScheduleConfig& from,
                                                    const schedule::ScheduleConfig& to);

/// The knob that differs, where it is the only one; else empty.
[[nodiscard]] std::string only_knob(const schedule::ScheduleConfig& from, const schedule::ScheduleConfig& to);

/// The knobs that differ, as they are in `to`: "pipelining_depth=8, page_allocation=\"linear\""; "nothing" where none
/// does.
[[nodiscard]] std::string describe_change(const schedule::ScheduleConfig& from, const schedule::ScheduleConfig& to);

}  // namespace amk::search
