// Well-formed: the target, the IR's limits, the knobs, the buffers.
#include <fmt/format.h>

#include "base/checked.h"
#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;

void check_target(Context& context) {
  context.work.target = nullptr;
  for (const abi::TargetInfo& target : abi::kTargets) {
    if (context.program.target == target.name) context.work.target = &target;
  }
  if (context.work.target == nullptr) {
    std::string names;
    for (const abi::TargetInfo& target : abi::kTargets)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", target.name);
    context.report(Rule::kTarget, {}, fmt::format("expected one of {}, found '{}'", names, context.program.target));
  }
}

void check_capacity(Context& context) {
  const schedule::Program& program = context.program;
  context.work.within_limits = true;
  const auto limit = [&](const char* what, uint64_t found, uint64_t max) {
    if (found <= max) return;
    context.work.within_limits = false;
    context.report(Rule::kCapacity, {}, fmt::format("expected at most {} {}, found {}", max, what, found));
  };
  limit("tasks", program.tasks.size(), kTasksMax);
  limit("counters", program.counters.size(), kTasksMax);
  limit("buffers", program.buffers.size(), kBuffersMax);
  limit("queues", program.placement.queues.size(), kSmsMax);
  limit("bytes of scratch", program.scratch_bytes, kBufferBytesMax);
  if (program.ir_version != schedule::kIrVersion) {
    context
        .report(Rule::kCapacity, {},
                fmt::format("expected IR version {}, found {}", schedule::kIrVersion, program.ir_version))
        .mend = fmt::format("write the program anew as version {}", schedule::kIrVersion);
  }
}

/// Bytes of one buffer, or nothing when its shape makes no sense.
std::optional<uint64_t> sound_size(const abi::Shape& shape) {
  if (shape.rank < 1 || shape.rank > abi::kMaxRank) return std::nullopt;
  for (uint32_t i = 0; i < abi::kMaxRank; ++i) {
    if (shape.extent[i] == 0 || (i >= shape.rank && shape.extent[i] != 1)) return std::nullopt;
  }
  const auto count = checked_product(shape.extent);
  if (!count || *count > 2 * kBufferBytesMax) return std::nullopt;  // no element takes less than half a byte
  const uint64_t row = abi::row_bytes(shape.dtype, *count / shape.extent[0]);
  const auto size = checked_mul(shape.extent[0], row);
  return size && *size <= kBufferBytesMax ? size : std::nullopt;
}

const char* space_name(schedule::Space space) {
  switch (space) {
    case schedule::Space::kGlobal:
      return "global";
    case schedule::Space::kScratch:
      return "scratch";
  }
  return "a space that does not exist";
}

void check_buffer(Context& context, uint32_t index) {
  const schedule::Buffer& buffer = context.program.buffers[index];
  Workspace& work = context.work;
  const BufferId id(index);
  const auto kind = static_cast<uint32_t>(buffer.kind), dtype = static_cast<uint32_t>(buffer.shape.dtype);
  if (kind >= abi::kBufferKindCount || dtype >= abi::kDtypeCount) {
    context.report(Rule::kBufferShape, {}, id, 0, 0,
                   fmt::format("expected a kind below {} and a type below {}, found {} and {}", abi::kBufferKindCount,
                               abi::kDtypeCount, kind, dtype));
    return;
  }
  if (abi::is_quantised(buffer.shape.dtype) && (buffer.kind != abi::BufferKind::kWeight || buffer.shape.rank != 2)) {
    context
        .report(Rule::kBufferShape, {}, id, 0, 0,
                fmt::format("expected {} only of a weight of rank 2, found it of kind {} and rank {}",
                            abi::dtype_name(buffer.shape.dtype), abi::kBufferKindNames[kind], buffer.shape.rank))
        .mend = "store it as f32, f16 or bf16";
    return;
  }
  const std::optional<uint64_t> size = sound_size(buffer.shape);
  work.buffer_sound[index] = size.has_value() ? 1 : 0;
  work.buffer_size[index] = size.value_or(0);
  if (!size) {
    const uint64_t* extent = buffer.shape.extent;
    context.report(
        Rule::kBufferShape, {}, id, 0, 0,
        fmt::format("expected rank 1 to 4, positive extents and at most {} bytes, found rank {}, [{}, {}, {}, {}]",
                    kBufferBytesMax, buffer.shape.rank, extent[0], extent[1], extent[2], extent[3]));
  }
  const schedule::Space expected_space =
      buffer.kind == abi::BufferKind::kActivation ? schedule::Space::kScratch : schedule::Space::kGlobal;
  if (buffer.space != expected_space) {
    context
        .report(Rule::kBufferSpace, {}, id, 0, 0,
                fmt::format("expected a buffer of kind {} in {} memory, found it in {}", abi::kBufferKindNames[kind],
                            space_name(expected_space), space_name(buffer.space)))
        .mend = fmt::format("set its space to '{}'", space_name(expected_space));
    work.buffer_sound[index] = 0;
  }
  if (buffer.kind != abi::BufferKind::kKvCache || !size) return;
  const uint32_t context_size = context.program.meta.context;
  if (buffer.shape.rank != 3 || buffer.shape.extent[1] != context_size) {
    context
        .report(Rule::kBufferKv, {}, id, 0, 0,
                fmt::format("expected [heads, {}, head_dim], found rank {} with second extent {}", context_size,
                            buffer.shape.rank, buffer.shape.extent[1]))
        .mend = fmt::format("make the second of three extents {}, the program's context", context_size);
    work.buffer_sound[index] = 0;
    return;
  }
  work.buffer_size[index] = *size / buffer.shape.extent[1];
}

}  // namespace

void check_program(Context& context) {
  check_target(context);
  check_capacity(context);
  for (schedule::KnobProblem& problem : schedule::check_knobs(context.program.config)) {
    context.report(Rule::kKnob, {}, fmt::format("{}: {}", problem.path, problem.message));
  }
  if (!context.work.within_limits) return;
  const auto count = static_cast<uint32_t>(context.program.buffers.size());
  context.work.buffer_sound.assign(count, 0);
  context.work.buffer_size.assign(count, 0);
  for (uint32_t i = 0; i < count; ++i) check_buffer(context, i);
}

}  // namespace amk::validator
