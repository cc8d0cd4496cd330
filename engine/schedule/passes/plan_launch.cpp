// plan_launch: how the kernel is launched: threads, shared memory, the weight ring, the stream back end.
//
// Runs last: the size of a stage follows from the tiles. Needs the launch and kernel knobs; leaves Program::launch. It
// refuses what cannot fit and never shrinks what was asked for.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "schedule/passes/lowering_state.h"
#include "schedule/task_cost.h"

namespace amk::schedule::passes {
namespace {

constexpr uint32_t kStagesMax = 16;  // what pipelining_depth = auto stops at
constexpr uint32_t kActivationBytesMax = 64 << 10;
constexpr uint32_t kStageAlignment = 128;  // of a bulk copy's destination

/// Largest stage and longest input vector over all products.
struct Extents {
  uint32_t stage_bytes = 0;
  uint64_t input_bytes = 0;
};

Extents measure(const Program& program) {
  Extents extents;
  for (const Task& task : program.tasks) {
    const auto stage = static_cast<uint32_t>(round_up(stage_bytes(task, program), kStageAlignment));
    if (stage == 0) continue;
    extents.stage_bytes = std::max(extents.stage_bytes, stage);
    for (uint32_t i = 0; i < task.operands.size(); ++i) {
      if (abi::operand(task.opcode, i).rank != 2) continue;
      // The input is staged as two bfloat16 parts: four bytes an element.
      extents.input_bytes = std::max(extents.input_bytes, 4 * program.buffer(task.operands[i]).shape.extent[1]);
    }
  }
  return extents;
}

abi::StreamBackend best_backend(uint32_t sm) {
  for (const abi::StreamBackend backend : {abi::StreamBackend::kBulk, abi::StreamBackend::kCpAsync}) {
    if (sm >= abi::min_arch(backend)) return backend;
  }
  return abi::StreamBackend::kPlain;
}

Error does_not_fit(const Launch& launch, uint32_t limit, std::string_view knob) {
  return {
      ErrorCode::kUsage,
      fmt::format("expected at most {} bytes of shared memory a block, found {}: {} stages of {}, {} for activations, "
                  "{} for control",
                  limit, launch.smem_bytes, launch.stages, launch.stage_bytes, launch.activation_bytes, kControlBytes),
      fmt::format("knob {}", knob), "fewer stages, a smaller k_chunk, or another target"};
}

}  // namespace

Status plan_launch(LoweringState& state) {
  const ScheduleConfig& config = state.request.config;
  const abi::TargetInfo& target = *state.request.target;
  const uint32_t limit = target.smem_block_kb << 10;
  const uint32_t budget = config.smem_bytes_per_block.value_or(limit);
  const Extents extents = measure(state.program);

  Launch& launch = state.program.launch;
  launch.threads_per_block = config.threads_per_block;
  launch.stage_bytes = extents.stage_bytes;
  // At most a quarter of the shared memory: a longer input is staged in parts.
  launch.activation_bytes = static_cast<uint32_t>(
      std::min<uint64_t>({round_up(extents.input_bytes, kStageAlignment), kActivationBytesMax, budget / 4}));
  const uint32_t for_ring = budget - std::min(budget, launch.activation_bytes + kControlBytes);
  const uint32_t fitting = launch.stage_bytes == 0 ? 0 : for_ring / launch.stage_bytes;
  launch.stages = config.pipelining_depth.value_or(std::clamp(fitting, 2U, kStagesMax));
  launch.copies_in_flight = config.copies_in_flight;
  launch.tokens_per_launch = config.tokens_per_launch;
  launch.stream_backend = config.stream_backend.value_or(best_backend(target.sm));

  const uint64_t smem = uint64_t{launch.stages} * launch.stage_bytes + launch.activation_bytes + kControlBytes;
  launch.smem_bytes = static_cast<uint32_t>(std::min<uint64_t>(smem, UINT32_MAX));
  if (budget > limit) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} bytes on {}, found {}", limit, target.name, budget),
                 "knob smem_bytes_per_block", ""};
  }
  if (launch.smem_bytes > budget)
    return does_not_fit(launch, budget, config.pipelining_depth ? "pipelining_depth" : "tiling.gemv.k_chunk");
  if (launch.copies_in_flight > launch.stages) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} copies in flight, the stages of the ring, found {}", launch.stages,
                             launch.copies_in_flight),
                 "knob kernel_knobs.copies_in_flight", ""};
  }
  if (target.sm < abi::min_arch(launch.stream_backend)) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a back end that sm_{} has, found '{}' (sm_{} and later)", target.sm,
                             abi::kStreamBackendValues[static_cast<size_t>(launch.stream_backend)].name,
                             abi::min_arch(launch.stream_backend)),
                 "knob kernel_knobs.stream_backend", ""};
  }
  return {};
}

}  // namespace amk::schedule::passes
