// Lowering: a model graph and a schedule become a Program, by a list of passes.
//
// Placement and pages are chosen here, before validation: what is validated is what runs. A lowered program of a legal
// schedule is always accepted; that is a test's business, and no reason to skip the validator.
#pragma once

#include <functional>
#include <string_view>

#include "abi/tables.h"
#include "base/result.h"
#include "schedule/model_graph.h"
#include "schedule/program.h"

namespace amk::schedule {

struct LowerRequest {
  const ModelGraph* graph = nullptr;
  const abi::TargetInfo* target = nullptr;
  ScheduleConfig config;
  uint32_t context = 0;  ///< positions the KV caches hold; at most the model's context_max
  /// What the KV caches hold: f32, f16 or bf16, rounded to nearest even as they are written.
  abi::Dtype kv_dtype = abi::Dtype::kF32;
};

/// Called after every pass with its name and the program so far.
using PassDump = std::function<void(std::string_view pass, const Program& program)>;

/// kUsage for an illegal knob, context or KV dtype, kUnsupported for a model no instruction can do.
Result<Program> lower(const LowerRequest& request, const PassDump& dump = {});

/// 12 hex digits of a hash over model shape, target, context, schedule and what the KV caches hold: the same schedule
/// has the same id.
[[nodiscard]] std::string schedule_id(const LowerRequest& request);

/// The context a program is compiled for when none is asked for: the model's own, at most 2,048.
[[nodiscard]] uint32_t default_context(const model::ModelConfig& config);

}  // namespace amk::schedule
