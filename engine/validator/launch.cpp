// Launchable: the grid is resident at once, the block fits the target, the ring cannot wait for itself.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "instructions/instruction.h"
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
    context
        .report(Rule::kThreads, {},
                fmt::format("expected a multiple of 32 from 64 to {}, found {}", threads_max, launch.threads_per_block))
        .mend = fmt::format("set threads_per_block to a multiple of 32 up to {}", threads_max);
    return;  // what the block needs depends on it
  }
  const uint32_t control = schedule::control_bytes(launch.threads_per_block);
  const uint64_t parts = uint64_t{launch.stages} * launch.stage_bytes + launch.activation_bytes + control;
  const uint64_t limit = std::min<uint64_t>(uint64_t{target.smem_block_kb} << 10,
                                            context.program.config.smem_bytes_per_block.value_or(UINT32_MAX));
  if (parts > limit) {
    context.report(
        Rule::kSharedMemory, {},
        fmt::format("expected at most {} bytes, found {}: {} stages of {}, {} for activations and {} for control",
                    limit, parts, launch.stages, launch.stage_bytes, launch.activation_bytes, control));
  } else if (parts != launch.smem_bytes) {
    context
        .report(
            Rule::kSharedMemory, {},
            fmt::format("expected smem_bytes to be {}, the sum of {} stages of {}, {} for activations and {} for "
                        "control, found {}",
                        parts, launch.stages, launch.stage_bytes, launch.activation_bytes, control, launch.smem_bytes))
        .mend = fmt::format("set smem_bytes to {}", parts);
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
  if (launch.stages > device::kStagesMax || launch.stage_bytes % 128 != 0) {
    context
        .report(Rule::kRing, {},
                fmt::format("expected at most {} stages of a multiple of 128 bytes, found {} of {} bytes",
                            device::kStagesMax, launch.stages, launch.stage_bytes))
        .mend = "lower pipelining_depth, or round stage_bytes up";
  } else if (launch.copies_in_flight == 0 || launch.copies_in_flight > launch.stages) {
    context
        .report(Rule::kRing, {},
                fmt::format("expected 1 to {} copies in flight, the number of stages, found {}", launch.stages,
                            launch.copies_in_flight))
        .mend = fmt::format("set copies_in_flight to 1 to {}, or raise pipelining_depth", launch.stages);
  }
  for (uint32_t i = 0; i < context.program.tasks.size(); ++i) {
    if (context.work.task_sound[i] == 0) continue;
    const uint64_t need = schedule::stage_bytes(context.program.tasks[i], context.program);
    if (need <= launch.stage_bytes) continue;
    context
        .report(
            Rule::kRing, {TaskId(i)},
            fmt::format("expected stages of at least {} bytes, {} rows of k_chunk columns, or keys and values of {} "
                        "positions, found {}",
                        need, schedule::kRowsPerStage, device::kCachePositions, launch.stage_bytes))
        .mend = fmt::format("raise stage_bytes to {}, or lower the task's k_chunk", need);
    return;  // one task shows it; the others say the same
  }
}

void check_activation_area(Context& context) {
  const schedule::Program& program = context.program;
  if (program.launch.activation_bytes % 128 != 0) {
    context
        .report(
            Rule::kActivationArea, {},
            fmt::format("expected activation_bytes to be a multiple of 128, found {}", program.launch.activation_bytes))
        .mend = fmt::format("raise activation_bytes to {}, and smem_bytes with it",
                            round_up(program.launch.activation_bytes, 128));
    return;
  }
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
    context
        .report(
            Rule::kActivationArea, {TaskId(i)},
            fmt::format("expected activation_bytes of at least {}, found {}", need, program.launch.activation_bytes))
        .mend = fmt::format("raise activation_bytes to {}, and smem_bytes with it", round_up(need, 128));
    return;  // one task shows it; the others say the same
  }
}

void check_products(Context& context, const abi::TargetInfo& target) {
  const schedule::Launch& launch = context.program.launch;
  const auto products = static_cast<uint32_t>(launch.products), protocol = static_cast<uint32_t>(launch.sync_protocol);
  if (protocol >= std::size(abi::kSyncProtocolValues)) {
    context
        .report(Rule::kProducts, {},
                fmt::format("expected a protocol below {}, found {}", std::size(abi::kSyncProtocolValues), protocol))
        .mend = "choose 'packets' or 'counters'";
  }
  if (products >= std::size(abi::kProductsValues)) {
    context.report(Rule::kProducts, {},
                   fmt::format("expected products below {}, found {}", std::size(abi::kProductsValues), products));
  } else if (target.sm < abi::min_arch(launch.products)) {
    context.report(Rule::kProducts, {},
                   fmt::format("expected products of sm_{}, found '{}' (sm_{} and later)", target.sm,
                               abi::kProductsValues[products].name, abi::min_arch(launch.products)));
  }
}

/// What a pass chooses is the token of the next pass of the launch, and nothing looks at it between: it must be a row
/// of every table that is read by it. A pass chooses the index of a logit.
void check_next_token(Context& context) {
  constexpr uint32_t kTable = instructions::operand_index<abi::Opcode::kEmbed>("table");
  const schedule::Program& program = context.program;
  uint64_t tokens = 0;
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    const auto* argmax = std::get_if<abi::ArgmaxParams>(&program.tasks[i].params);
    if (argmax != nullptr && context.work.task_sound[i] != 0)
      tokens = std::max(tokens, uint64_t{argmax->begin} + argmax->count);
  }
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    const schedule::Task& task = program.tasks[i];
    if (task.opcode != abi::Opcode::kEmbed || context.work.task_sound[i] == 0) continue;
    const uint64_t rows = program.buffer(task.operands[kTable]).shape.extent[0];
    if (rows >= tokens) continue;
    context
        .report(Rule::kTokens, {TaskId(i)}, task.operands[kTable], 0, 0,
                fmt::format("expected a table of at least {} rows, as a pass may choose the token {} for the next pass "
                            "of the launch, found {}",
                            tokens, tokens - 1, rows))
        .mend = "set tokens_per_launch to 1, or choose among as many logits as the table has rows";
    return;  // one task shows it; the others say the same
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
    context
        .report(Rule::kTokens, {},
                fmt::format("expected {}, as the schedule says, at most the context {}, found {}",
                            program.config.tokens_per_launch, program.meta.context, tokens))
        .mend = "make tokens_per_launch the same in launch and config, and at most the context";
  } else if (tokens > 1) {
    check_next_token(context);
  }
}

}  // namespace amk::validator
