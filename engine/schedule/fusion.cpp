#include "schedule/fusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace amk::schedule {
namespace {

std::vector<std::string_view> op_names() {
  std::vector<std::string_view> names;
  for (const abi::GraphOpInfo& op : abi::kGraphOps) names.emplace_back(op.name);
  return names;
}

std::optional<abi::GraphOp> find_op(std::string_view name) {
  for (uint32_t i = 0; i < abi::kGraphOpCount; ++i) {
    if (name == abi::kGraphOps[i].name) return static_cast<abi::GraphOp>(i);
  }
  return std::nullopt;
}

std::string words(const std::vector<abi::GraphOp>& ops) {
  std::vector<std::string_view> names;
  for (const abi::GraphOp op : ops) names.emplace_back(op_name(op));
  return "[" + join(names) + "]";
}

std::vector<Fusion> read_table() {
  std::vector<Fusion> table;
  for (const abi::FusionInfo& row : abi::kFusions) {
    Fusion fusion{row.opcode, {}};
    std::string_view rest = row.ops;
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::optional<abi::GraphOp> op = find_op(rest.substr(0, comma));
      AMK_ASSERT(op, "fusion.def names an op that it does not define");
      fusion.ops.push_back(*op);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    table.push_back(std::move(fusion));
  }
  return table;
}

/// The row that shares most ops with `ops`, for the message.
const Fusion& nearest_fusion(const std::vector<abi::GraphOp>& ops) {
  const auto distance = [&](const Fusion& fusion) {
    const auto shared = std::count_if(fusion.ops.begin(), fusion.ops.end(), [&](abi::GraphOp op) {
      return std::find(ops.begin(), ops.end(), op) != ops.end();
    });
    return static_cast<long>(fusion.ops.size() + ops.size()) - 2 * shared;
  };
  const std::vector<Fusion>& table = all_fusions();
  return *std::min_element(table.begin(), table.end(),
                           [&](const Fusion& a, const Fusion& b) { return distance(a) < distance(b); });
}

Result<Fusion> parse_group(const std::vector<std::string>& group) {
  std::vector<abi::GraphOp> ops;
  for (const std::string& name : group) {
    const std::optional<abi::GraphOp> op = find_op(name);
    if (!op) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected an op name, found '{}'{}", name, did_you_mean(name, op_names())), "",
                   fmt::format("ops are {}", join(op_names()))};
    }
    ops.push_back(*op);
  }
  const auto same = [&](const Fusion& fusion) {
    return std::is_permutation(fusion.ops.begin(), fusion.ops.end(), ops.begin(), ops.end());
  };
  const std::vector<Fusion>& table = all_fusions();
  const auto row = std::find_if(table.begin(), table.end(), same);
  if (row != table.end()) return *row;
  return Error{ErrorCode::kUsage,
               fmt::format("expected a group that one instruction can do, found {}; the nearest is {}", words(ops),
                           words(nearest_fusion(ops).ops)),
               "", ""};
}

}  // namespace

const std::vector<Fusion>& all_fusions() {
  static const std::vector<Fusion> table = read_table();
  return table;
}

Result<std::vector<Fusion>> parse_fusions(const FusionGrouping& grouping) {
  std::vector<Fusion> fusions;
  for (const std::vector<std::string>& group : grouping) {
    AMK_ASSIGN_OR_RETURN(Fusion fusion, parse_group(group));
    for (const Fusion& other : fusions) {
      if (other.ops == fusion.ops) {
        return Error{ErrorCode::kUsage, fmt::format("expected each group once, found {} twice", words(fusion.ops)), "",
                     ""};
      }
    }
    fusions.push_back(std::move(fusion));
  }
  return fusions;
}

}  // namespace amk::schedule
