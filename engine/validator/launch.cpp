// Launchable: the grid is resident at once, the block fits the target, the ring cannot wait for itself.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/task_cost.h"
#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;

constexpr uint32_t kThreadsMax = 1024;  // of a block, every architecture

void check_block(Context& context, const abi::TargetInfo& target) {
  const schedule::Launch& launch = context.program.launch;
  const uint32_t threads_max = std::min(kThreadsMax, target.threads_sm);
  if (launch.threads_per_block == 0 || launch.threads_per_block % 32 != 0 || launch.threads_per_block > threads_max) {
    context.report(
        Rule::kThreads, {},
        fmt::format("expected a multiple of 32 from 32 to {}, found {}", threads_max, launch.threads_per_block));
  }
  const uint64_t parts =
      uint64_t{launch.stages} * launch.stage_bytes + launch.activation_bytes + schedule::kControlBytes;
  const uint64_t limit = std::min<uint64_t>(uint64_t{target.smem_block_kb} << 10,
                                            context.program.config.smem_bytes_per_block.value_or(UINT32_MAX));
  if (parts != launch.smem_bytes || launch.smem_bytes > limit) {
    context.report(
        Rule::kSharedMemory, {},
        fmt::format("expected {} stages of {} bytes, {} for activations and {} for control to sum to smem_bytes, "
                    "at most {}, found {} against {}",
                    launch.stages, launch.stage_bytes, launch.activation_bytes, schedule::kControlBytes, limit, parts,
                    launch.smem_bytes));
  }
  const auto backend = static_cast<uint32_t>(launch.stream_backend);
  if (backend >= std::size(abi::kStreamBackendValues)) {
    context.report(
        Rule::kBackend, {},
        fmt::format("expected a back end below {}, found {}", std::size(abi::kStreamBackendValues), backend));
  } else if (target.sm < abi::min_arch(launch.stream_backend)) {
    context.report(Rule::kBackend, {},
                   fmt::format("expected a back end of sm_{}, found '{}' (sm_{} and later)", target.sm,
                               abi::kStreamBackendValues[backend].name, abi::min_arch(launch.stream_backend)));
  }
}

void check_ring(Context& context) {
  const schedule::Launch& launch = context.program.launch;
  if (launch.copies_in_flight == 0 || launch.copies_in_flight > launch.stages || launch.stage_bytes % 128 != 0) {
    context.report(Rule::kRing, {},
                   fmt::format("expected 1 to {} copies in flight, the stages, and stages of a multiple of "
                               "128 bytes, found {} and {}",
                               launch.stages, launch.copies_in_flight, launch.stage_bytes));
  }
  for (uint32_t i = 0; i < context.program.tasks.size(); ++i) {
    if (context.work.task_sound[i] == 0) continue;
    const uint64_t need = schedule::stage_bytes(context.program.tasks[i], context.program);
    if (need <= launch.stage_bytes) continue;
    context.report(Rule::kRing, {TaskId(i)},
                   fmt::format("expected stages of at least {} bytes, {} rows of k_chunk columns, found {}", need,
                               schedule::kRowsPerStage, launch.stage_bytes));
    return;  // one task shows it; the others say the same
  }
}

}  // namespace

void check_launch(Context& context) {
  const schedule::Program& program = context.program;
  check_ring(context);
  if (const abi::TargetInfo* target = context.work.target; target != nullptr) {
    check_block(context, *target);
    const size_t queues = program.placement.queues.size();
    if (queues == 0 || queues > target->sms) {
      context.report(
          Rule::kGrid, {},
          fmt::format("expected 1 to {} queues, the SMs of {}, found {}", target->sms, target->name, queues));
    }
  }
  const uint32_t tokens = program.launch.tokens_per_launch;
  if (tokens == 0 || tokens != program.config.tokens_per_launch || tokens > program.meta.context) {
    context.report(Rule::kTokens, {},
                   fmt::format("expected {}, as the schedule says, at most the context {}, found {}",
                               program.config.tokens_per_launch, program.meta.context, tokens));
  }
}

}  // namespace amk::validator
