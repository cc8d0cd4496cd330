// fusion_grouping resolved: which instruction does which run of graph operations.
#pragma once

#include <string>
#include <vector>

#include "abi/tables.h"
#include "base/result.h"
#include "schedule/schedule_config.h"

namespace amk::schedule {

/// A row of fusion.def, its ops parsed.
struct Fusion {
  abi::Opcode opcode;
  std::vector<abi::GraphOp> ops;  ///< in model order
};

/// Every row of fusion.def.
[[nodiscard]] const std::vector<Fusion>& all_fusions();

/// The rows that `grouping` names. kUsage when a name is no op, a group is no row (the nearest row is offered), or a
/// group is given twice. Groups may come in any order, and so may the ops of a group.
Result<std::vector<Fusion>> parse_fusions(const FusionGrouping& grouping);

[[nodiscard]] inline const char* op_name(abi::GraphOp op) { return abi::kGraphOps[static_cast<size_t>(op)].name; }

}  // namespace amk::schedule
