// fuse: cuts the model's chain of operations into groups that one instruction does.
//
// Runs first. Needs the graph and the knob fusion_grouping; leaves LoweringState::groups. At each node the longest
// chosen group that fits is taken. A chosen group that fits nowhere is an error: nothing is dropped silently.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/passes/lowering_state.h"

namespace amk::schedule::passes {
namespace {

bool matches(const std::vector<GraphNode>& nodes, size_t at, const std::vector<abi::GraphOp>& ops) {
  if (at + ops.size() > nodes.size()) return false;
  for (size_t i = 0; i < ops.size(); ++i) {
    if (nodes[at + i].op != ops[i] || nodes[at + i].layer != nodes[at].layer) return false;
  }
  return true;
}

Error unused_group(const Fusion& fusion) {
  std::string names;
  for (const abi::GraphOp op : fusion.ops) names += fmt::format("{}{}", names.empty() ? "" : ", ", op_name(op));
  return {
      ErrorCode::kUsage,
      fmt::format("expected every group to apply somewhere, found [{}] displaced by a longer or earlier group", names),
      "knob fusion_grouping", "drop it, or drop the group that overlaps it"};
}

}  // namespace

Status fuse(LoweringState& state) {
  AMK_ASSIGN_OR_RETURN(const std::vector<Fusion> fusions, parse_fusions(state.request.config.fusion_grouping));
  std::vector<bool> used(fusions.size(), false);
  const std::vector<GraphNode>& nodes = state.request.graph->nodes;
  for (size_t at = 0; at < nodes.size();) {
    size_t best = fusions.size();
    for (size_t i = 0; i < fusions.size(); ++i) {
      const bool longer = best == fusions.size() || fusions[i].ops.size() > fusions[best].ops.size();
      if (longer && matches(nodes, at, fusions[i].ops)) best = i;
    }
    Group group{{nodes[at].op}, nodes[at].layer};
    if (best != fusions.size()) {
      group.ops = fusions[best].ops;
      used[best] = true;
    }
    at += group.ops.size();
    state.groups.push_back(std::move(group));
  }
  for (size_t i = 0; i < fusions.size(); ++i) {
    if (!used[i]) return unused_group(fusions[i]);
  }
  return {};
}

}  // namespace amk::schedule::passes
