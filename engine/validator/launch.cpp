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
  if (launch.threads_per_block < 64 || launch.threads_per_block % 32 != 0 || launch.threads_per_block > threads_max) {
    context.report(
        Rule::kThreads, {},
        fmt::format("expected a multiple of 32 from 64 to {}, found {}", threads_max, launch.threads_per_block));
    return;  // what the block needs depends on it
  }
  const uint32_t control = schedule::control_bytes(launch.threads_per_block);
  const uint64_t parts = uint64_t{launch.stages} * launch.stage_bytes + launch.activation_bytes + control;
  const uint64_t limit = std::min<uint64_t>(uint64_t{target.smem_block_kb} << 10,
                                            context.program.config.smem_bytes_per_block.value_or(UINT32_MAX));
  if (parts != launch.smem_bytes || launch.smem_bytes > limit) {
    context.report(
        Rule::kSharedMemory, {},
        fmt::format("expected {} stages of {} bytes, {} for activations and {} for control to sum to smem_bytes, "
                    "at most {}, found {} against {}",
                    launch.stages, launch.stage_bytes, launch.activation_bytes, control, limit, parts,
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
  if (launch.copies_in_flight == 0 || launch.copies_in_flight > launch.stages || launch.stage_bytes % 128 != 0 ||
      launch.stages > device::kStagesMax) {
    context.report(
        Rule::kRing, {},
        fmt::format("expected at most {} stages of a multiple of 128 bytes and 1 to {} copies in flight, "
                    "found {} of {} and {}",
                    device::kStagesMax, launch.stages, launch.stages, launch.stage_bytes, launch.copies_in_flight));
  }
  for (uint32_t i = 0; i < context.program.tasks.size(); ++i) {
    if (context.work.task_sound[i] == 0) continue;
    const uint64_t need = schedule::stage_bytes(context.program.tasks[i], context.program);
    if (need <= launch.stage_bytes) continue;
    context.report(
        Rule::kRing, {TaskId(i)},
        fmt::format("expected stages of at least {} bytes, {} rows of k_chunk columns, or keys and values of {} "
                    "positions, found {}",
                    need, schedule::kRowsPerStage, device::kCachePositions, launch.stage_bytes));
    return;  // one task shows it; the others say the same
  }
}

void check_activation_area(Context& context) {
  const schedule::Program& program = context.program;
  if (program.launch.threads_per_block < 64 || program.launch.threads_per_block > kThreadsMax) return;  // reported
  uint32_t columns = 0;
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    if (context.work.task_sound[i] != 0)
      columns = std::max(columns, schedule::input_columns(program.tasks[i], program));
  }
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    if (context.work.task_sound[i] == 0) continue;
    const uint64_t need = schedule::activation_bytes(program.tasks[i], program, columns);
    if (need <= program.launch.activation_bytes) continue;
    context.report(
        Rule::kActivationArea, {TaskId(i)},
        fmt::format("expected activation_bytes of at least {}, found {}", need, program.launch.activation_bytes));
    return;  // one task shows it; the others say the same
  }
}

void check_products(Context& context, const abi::TargetInfo& target) {
  const schedule::Launch& launch = context.program.launch;
  const auto products = static_cast<uint32_t>(launch.products), protocol = static_cast<uint32_t>(launch.sync_protocol);
  if (products >= std::size(abi::kProductsValues) || protocol >= std::size(abi::kSyncProtocolValues)) {
    context.report(
        Rule::kProducts, {},
        fmt::format("expected products below {} and a protocol below {}, found {} and {}",
                    std::size(abi::kProductsValues), std::size(abi::kSyncProtocolValues), products, protocol));
  } else if (target.sm < abi::min_arch(launch.products)) {
    context.report(Rule::kProducts, {},
                   fmt::format("expected products of sm_{}, found '{}' (sm_{} and later)", target.sm,
                               abi::kProductsValues[products].name, abi::min_arch(launch.products)));
  }
}

}  // namespace

void check_launch(Context& context) {
  const schedule::Program& program = context.program;
  check_ring(context);
  check_activation_area(context);
  if (const abi::TargetInfo* target = context.work.target; target != nullptr) {
    check_block(context, *target);
    check_products(context, *target);
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
