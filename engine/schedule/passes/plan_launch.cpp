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

constexpr uint32_t kStagesMax = 16;       // what pipelining_depth = auto stops at
constexpr uint32_t kAreaAlignment = 128;  // of a bulk copy's destination, and of what lies behind the ring

/// Largest stage and largest activation area over all tasks.
struct Extents {
  uint64_t stage_bytes = 0;
  uint64_t activation_bytes = 0;
};

Extents measure(const Program& program) {
  Extents extents;
  uint32_t columns = 0;
  for (const Task& task : program.tasks) columns = std::max(columns, input_columns(task, program));
  for (const Task& task : program.tasks) {
    extents.stage_bytes = std::max(extents.stage_bytes, round_up(stage_bytes(task, program), kAreaAlignment));
    extents.activation_bytes = std::max(extents.activation_bytes, activation_bytes(task, program, columns));
  }
  extents.activation_bytes = round_up(extents.activation_bytes, kAreaAlignment);
  return extents;
}

abi::StreamBackend best_backend(uint32_t sm) {
  for (const abi::StreamBackend backend : {abi::StreamBackend::kBulk, abi::StreamBackend::kCpAsync}) {
    if (sm >= abi::min_arch(backend)) return backend;
  }
  return abi::StreamBackend::kPlain;
}

/// On an H100, and in what was tried on an H200, plain weights stream as fast through the float32 units, and their
/// input need not be staged in parts; quantised ones would take nearly twice as long (docs/performance-log.md). Other
/// targets were not measured.
abi::Products best_products(const ModelGraph& graph, uint32_t sm) {
  const bool quantised =
      std::ranges::any_of(graph.weights, [](const auto& weight) { return abi::is_quantised(weight.second.dtype); });
  return quantised && sm >= abi::min_arch(abi::Products::kTensorCores) ? abi::Products::kTensorCores
                                                                       : abi::Products::kFloat32;
}

/// Short levels want short queues: what waits for another SM's values waits behind the copies. Long ones want the
/// memory busy (docs/performance-log.md).
uint32_t best_copies(const LoweringState& state) {
  constexpr uint64_t kLongLevel = uint64_t{512} << 10;  // bytes an SM
  uint64_t bytes = 0, levels = 0;
  for (const Stage& stage : state.stages) {
    uint64_t of_stage = 0;
    for (uint32_t task = stage.begin; task < stage.end; ++task)
      of_stage += weight_bytes(state.program.tasks[task], state.program);
    bytes += of_stage;
    levels += of_stage > 0 ? 1 : 0;
  }
  return bytes > kLongLevel * levels * state.request.target->sms ? 3 : 2;
}

uint32_t saturated(uint64_t bytes) { return static_cast<uint32_t>(std::min<uint64_t>(bytes, UINT32_MAX)); }

Error does_not_fit(const Launch& launch, uint32_t limit, std::string_view knob) {
  return {
      ErrorCode::kUsage,
      fmt::format("expected at most {} bytes of shared memory a block, found {}: {} stages of {}, {} for activations, "
                  "{} for control",
                  limit, launch.smem_bytes, launch.stages, launch.stage_bytes, launch.activation_bytes,
                  control_bytes(launch.threads_per_block)),
      fmt::format("knob {}", knob), "fewer stages, a smaller k_chunk, or another target"};
}

}  // namespace

Status plan_launch(LoweringState& state) {
  const ScheduleConfig& config = state.request.config;
  const abi::TargetInfo& target = *state.request.target;
  const uint32_t limit = target.smem_block_kb << 10;
  const uint32_t budget = config.smem_bytes_per_block.value_or(limit);
  Launch& launch = state.program.launch;
  launch.threads_per_block = config.threads_per_block;
  launch.products = config.products.value_or(best_products(*state.request.graph, target.sm));
  launch.sync_protocol = config.sync_protocol;
  const Extents extents = measure(state.program);
  const uint32_t control = control_bytes(launch.threads_per_block);
  launch.stage_bytes = saturated(extents.stage_bytes);
  launch.activation_bytes = saturated(extents.activation_bytes);
  const uint64_t taken = uint64_t{launch.activation_bytes} + control;
  const auto for_ring = static_cast<uint32_t>(budget - std::min<uint64_t>(budget, taken));
  const uint32_t fitting = launch.stage_bytes == 0 ? 0 : for_ring / launch.stage_bytes;
  launch.stages = config.pipelining_depth.value_or(std::clamp(fitting, 2U, kStagesMax));
  launch.copies_in_flight = config.copies_in_flight.value_or(std::min(best_copies(state), launch.stages));
  launch.tokens_per_launch = config.tokens_per_launch;
  launch.stream_backend = config.stream_backend.value_or(best_backend(target.sm));

  launch.smem_bytes = saturated(uint64_t{launch.stages} * launch.stage_bytes + taken);
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
  if (target.sm < abi::min_arch(launch.products)) {
    return Error{
        ErrorCode::kUsage,
        fmt::format("expected products that sm_{} has, found '{}' (sm_{} and later)", target.sm,
                    abi::kProductsValues[static_cast<size_t>(launch.products)].name, abi::min_arch(launch.products)),
        "knob kernel_knobs.products", ""};
  }
  return {};
}

}  // namespace amk::schedule::passes
