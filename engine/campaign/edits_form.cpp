// Edits of instructions, operands, buffers, knobs and the launch.
#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

#include "abi/tables.h"
#include "campaign/edits.h"

namespace amk::campaign {
namespace {

using schedule::Buffer;
using schedule::Launch;
using schedule::Program;
using schedule::ScheduleConfig;
using schedule::Task;

/// Whether two opcodes take the same parameters and operands: one may stand where the other does.
bool alike(abi::Opcode a, abi::Opcode b) {
  if (std::string_view(abi::info(a).record) != abi::info(b).record) return false;
  if (abi::operand_count(a) != abi::operand_count(b)) return false;
  for (uint32_t i = 0; i < abi::operand_count(a); ++i) {
    const abi::OperandInfo& x = abi::operand(a, i);
    const abi::OperandInfo& y = abi::operand(b, i);
    if (x.access != y.access || x.kinds != y.kinds || x.dtypes != y.dtypes || x.rank != y.rank) return false;
  }
  return true;
}

/// Shared memory as the launch's parts now say.
void sum_up(Launch& launch) {
  launch.smem_bytes =
      launch.stages * launch.stage_bytes + launch.activation_bytes + schedule::control_bytes(launch.threads_per_block);
}

// One way each of asking for more than there may be.
void another_sum(Program& program) { program.launch.smem_bytes += 4; }
void a_broken_warp(Program& program) { program.launch.threads_per_block += 1; }
void too_many_threads(Program& program) { program.launch.threads_per_block = 2048; }
void too_many_copies(Program& program) { program.launch.copies_in_flight = program.launch.stages + 1; }
void no_copies(Program& program) { program.launch.copies_in_flight = 0; }
void another_token(Program& program) { program.launch.tokens_per_launch += 1; }
void too_many_stages(Program& program) {
  program.launch.stages = device::kStagesMax + 1;
  sum_up(program.launch);
}
void too_large_a_ring(Program& program) {
  program.launch.stage_bytes += 1U << 20;
  sum_up(program.launch);
}
void too_small_a_stage(Program& program) {
  if (std::none_of(program.tasks.begin(), program.tasks.end(), streams)) return another_sum(program);
  program.launch.stage_bytes = 128;
  sum_up(program.launch);
}
void no_room_for_inputs(Program& program) {
  if (std::none_of(program.tasks.begin(), program.tasks.end(), streams)) return another_sum(program);
  program.launch.activation_bytes = 0;
  sum_up(program.launch);
}
void another_version(Program& program) { program.ir_version += 1; }
void more_tokens_than_positions(Program& program) {
  program.config.tokens_per_launch = program.launch.tokens_per_launch = program.meta.context + 1;
}

constexpr std::array<void (*)(Program&), kExcessCount> kExcesses = {
    another_sum,       a_broken_warp,      too_many_threads, too_many_copies,
    no_copies,         another_token,      too_many_stages,  too_large_a_ring,
    too_small_a_stage, no_room_for_inputs, another_version,  more_tokens_than_positions};

// A unit that the target has not; a target that has it is exchanged for one that has not.
void later_multipliers(Program& program) {
  program.target = "t4";
  program.launch.products = abi::Products::kTensorCores;
}
void later_copies(Program& program) {
  if (program.target == "h100" || program.target == "h200") program.target = "a100";
  if (program.target == "b200" || program.target == "rtx5090") program.target = "l40s";
  program.launch.stream_backend = abi::StreamBackend::kBulk;
}

constexpr std::array<void (*)(Program&), kLaterUnitCount> kLaterUnits = {later_multipliers, later_copies};

// A knob below its range, or between its steps.
void a_short_ring(ScheduleConfig& config) { config.pipelining_depth = 1; }
void half_a_warp(ScheduleConfig& config) { config.threads_per_block += 16; }
void no_block(ScheduleConfig& config) { config.attention_kv_block = 0; }
void an_odd_tile(ScheduleConfig& config) { config.gemv_n_tile = 7; }

constexpr std::array<void (*)(ScheduleConfig&), kIllegalKnobCount> kIllegalKnobs = {a_short_ring, half_a_warp, no_block,
                                                                                    an_odd_tile};

void an_unknown_target(Program& program) { program.target = "abacus"; }
void more_queues_than_any_target_has(Program& program) { program.placement.queues.resize(1024); }

constexpr std::array<void (*)(Program&), kWrongTargetCount> kWrongTargets = {an_unknown_target,
                                                                             more_queues_than_any_target_has};

}  // namespace

Known apply_WrongInstruction(const Edit& edit) {
  const auto before = static_cast<uint32_t>(edit.task().opcode);
  const uint32_t step = 1 + edit.below(abi::kOpcodeCount - 1);
  edit.task().opcode = static_cast<abi::Opcode>((before + step) % abi::kOpcodeCount);
  if (!alike(static_cast<abi::Opcode>(before), edit.task().opcode)) return Known::kForbidden;
  return derive_ranges(edit.program, edit.task()) ? Known::kExplored : Known::kForbidden;
}

/// Alone with its partials, a task may count in any blocks.
Known apply_UnevenBlocks(const Edit& edit) {
  constexpr size_t kPartials = 4;
  static_assert(std::string_view(abi::operand(abi::Opcode::kAttention, kPartials).name) == "partials");
  std::get<abi::AttentionParams>(edit.task().params).kv_block += 16;
  const BufferId partials = edit.task().operands[kPartials];
  const auto sharers = std::count_if(edit.program.tasks.begin(), edit.program.tasks.end(), [&](const Task& task) {
    return std::holds_alternative<abi::AttentionParams>(task.params) && task.operands[kPartials] == partials;
  });
  return sharers > 1 ? Known::kForbidden : Known::kExplored;
}

/// A buffer of the same kind and shape leaves a program that can be run; one of a kind that the operand does not take
/// is forbidden. Inputs are told apart by name.
Known apply_WrongOperand(const Edit& edit) {
  Task& task = edit.task();
  const uint32_t operand = edit.below(task.operands.size());
  const Buffer& before = edit.program.buffer(task.operands[operand]);
  const uint32_t kinds = abi::operand(task.opcode, operand).kinds;
  const auto first = edit.below(edit.program.buffers.size());
  for (uint32_t i = 0; i < edit.program.buffers.size(); ++i) {
    const BufferId id((first + i) % static_cast<uint32_t>(edit.program.buffers.size()));
    const Buffer& buffer = edit.program.buffer(id);
    if (id == task.operands[operand]) continue;
    const bool fits = buffer.kind == before.kind && buffer.shape == before.shape;
    const bool wrong_kind = (kinds >> static_cast<uint32_t>(buffer.kind) & 1U) == 0;
    if (!fits && !wrong_kind) continue;
    const bool other_input = fits && buffer.kind == abi::BufferKind::kInput && buffer.name != before.name;
    task.operands[operand] = id;
    refresh_lives(edit.program);
    return wrong_kind || other_input ? Known::kForbidden : Known::kExplored;
  }
  return Known::kExplored;
}

Known apply_LostName(const Edit& edit) {
  Task& task = edit.task();
  const BufferId no_buffer(static_cast<uint32_t>(edit.program.buffers.size()));
  const CounterId no_counter(static_cast<uint32_t>(edit.program.counters.size()));
  switch (edit.below(3)) {
    case 0:
      task.operands[edit.below(task.operands.size())] = no_buffer;
      break;
    case 1:
      task.signal = no_counter;
      break;
    default:
      task.waits.push_back({no_counter, 1});
      break;
  }
  return Known::kExplored;
}

Known apply_WrongSpace(const Edit& edit) {
  schedule::Space& space = edit.program.buffers[edit.site.first].space;
  space = space == schedule::Space::kScratch ? schedule::Space::kGlobal : schedule::Space::kScratch;
  return Known::kExplored;
}

Known apply_WrongShape(const Edit& edit) {
  abi::Shape& shape = edit.program.buffers[edit.site.first].shape;
  if (edit.coin()) {
    shape.rank = 0;
  } else {
    shape.extent[edit.below(shape.rank)] = 0;
  }
  return Known::kExplored;
}

Known apply_WrongContext(const Edit& edit) {
  edit.program.meta.context += 1;
  return Known::kExplored;
}

Known apply_OpenOutput(const Edit& edit) {
  abi::Shape shape;
  shape.rank = 1;
  edit.program.buffers.push_back({"open", abi::BufferKind::kOutput, shape, schedule::Space::kGlobal, ""});
  return Known::kExplored;
}

Known apply_OverCapacity(const Edit& edit) {
  kExcesses[edit.site.first](edit.program);
  return Known::kForbidden;
}

Known apply_LaterUnit(const Edit& edit) {
  kLaterUnits[edit.site.first](edit.program);
  return Known::kForbidden;
}

Known apply_IllegalKnob(const Edit& edit) {
  kIllegalKnobs[edit.site.first](edit.program.config);
  return Known::kForbidden;
}

Known apply_WrongTarget(const Edit& edit) {
  kWrongTargets[edit.site.first](edit.program);
  return Known::kExplored;
}

}  // namespace amk::campaign
