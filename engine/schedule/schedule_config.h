// ScheduleConfig: the knobs of abi/knob.def as a struct. The whole edit surface of an agent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"

namespace amk::schedule {

/// Groups of op names that one instruction does together; each must be a row of fusion.def.
using FusionGrouping = std::vector<std::vector<std::string>>;

/// Which SM runs which task.
struct SmAssignment {
  abi::SmPolicy policy = abi::SmPolicy::kLoadBalance;
  std::vector<double> bandwidth;  ///< kMeasured: one positive weight an SM
  std::vector<uint32_t> sm_of;    ///< kExplicit: one SM a task, by task id

  bool operator==(const SmAssignment&) const = default;
};

/// The five-level fusion of a layer.
[[nodiscard]] FusionGrouping default_fusion();

/// An empty optional is "auto".
struct ScheduleConfig {
#define AMK_KNOB_INT(field, path, default_value, min, max, step, unit, pass, doc) uint32_t field = default_value;
#define AMK_KNOB_AUTO_INT(field, path, min, max, step, unit, pass, auto_doc, doc) std::optional<uint32_t> field;
#define AMK_KNOB_AUTO_CHOICE(field, path, Type, pass, auto_doc, doc) std::optional<abi::Type> field;
#define AMK_KNOB_CHOICE(field, path, Type, default_value, pass, doc) abi::Type field = abi::Type::default_value;
#define AMK_KNOB_GROUPS(field, path, pass, doc) FusionGrouping field = default_fusion();
#define AMK_KNOB_SMS(field, path, pass, doc) SmAssignment field;
#include "abi/knob.def"

  bool operator==(const ScheduleConfig&) const = default;
};

/// One knob that has no legal value, for the validator and for messages.
struct KnobProblem {
  std::string path;
  std::string message;
};

/// Every knob of `config` that is out of range or not a legal name, in the order of knob.def.
[[nodiscard]] std::vector<KnobProblem> check_knobs(const ScheduleConfig& config);

}  // namespace amk::schedule
