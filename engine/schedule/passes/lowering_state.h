// What the passes hand on to each other. Each pass says what it needs and what it leaves.
#pragma once

#include <vector>

#include "base/result.h"
#include "schedule/fusion.h"
#include "schedule/lowering.h"

namespace amk::schedule::passes {

/// A run of graph nodes that one kind of instruction does.
struct Group {
  std::vector<abi::GraphOp> ops;
  uint32_t layer = 0;
};

/// Tasks [begin, end) that do one thing side by side: no task of a stage reads what another one writes.
struct Stage {
  uint32_t begin = 0;
  uint32_t end = 0;
  /// Does most of its work at the same time as the stage before, for whose results it waits last of all: the two share
  /// out the SMs together.
  bool beside = false;
};

struct LoweringState {
  explicit LoweringState(const LowerRequest& lower_request) : request(lower_request) {}

  const LowerRequest& request;
  Program program;
  std::vector<Group> groups;  ///< after fuse, in execution order
  std::vector<Stage> stages;  ///< after tile; their tasks cover program.tasks in order
};

Status fuse(LoweringState& state);
Status tile(LoweringState& state);
Status synchronize(LoweringState& state);
Status place(LoweringState& state);
Status allocate_pages(LoweringState& state);
Status plan_launch(LoweringState& state);

}  // namespace amk::schedule::passes
