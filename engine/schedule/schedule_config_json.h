// ScheduleConfig as JSON: nested objects whose dotted paths are the knobs of knob.def.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "schedule/schedule_config.h"

namespace amk::schedule {

/// Every knob, in the order of knob.def, "auto" spelled out: the same config gives the same bytes. No line breaks.
[[nodiscard]] std::string config_to_json(const ScheduleConfig& config);

/// Knobs that are left out keep their defaults. kUsage for an unknown key, a wrong type or a value out of range, with
/// the nearest legal name or value; nothing is dropped and nothing is clamped.
Result<ScheduleConfig> config_from_json(std::string_view text, const std::string& location);

/// Sets one knob by its dotted path, from the text of a JSON value (a bare word is taken for a string):
/// ("tiling.gemv.n_tile", "16"), ("page_allocation", "linear"). Errors as config_from_json.
Status set_knob(ScheduleConfig& config, std::string_view path, std::string_view value);

/// JSON Schema (2020-12) of a schedule, made from the tables; pretty-printed.
[[nodiscard]] std::string config_schema();

}  // namespace amk::schedule
