#include "explorer/law.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "abi/tables.h"

namespace amk::explorer {
namespace {

using abi::BufferKind;
using schedule::Buffer;
using schedule::Program;
using schedule::Task;
using Breach = std::optional<Defect>;

Defect breach(std::string what, std::vector<TaskId> tasks = {}, BufferId buffer = {}) {
  Defect defect;
  defect.what = std::move(what);
  defect.tasks = std::move(tasks);
  defect.buffer = buffer;
  return defect;
}

// ---- buffers and counters -------------------------------------------------------------------------------------------

/// Whether every extent is positive and the bytes can be numbered: 8 of the largest element's and a quantised row's
/// scales are at most that much again.
bool has_a_size(const abi::Shape& shape) {
  constexpr unsigned __int128 kLimit = uint64_t{1} << 63;
  unsigned __int128 bytes = 8;
  for (const uint64_t extent : shape.extent) {
    bytes *= extent;
    if (bytes == 0 || bytes >= kLimit) return false;
  }
  return true;
}

const char* problem_of(const Program& program, const Buffer& buffer) {
  const abi::Shape& shape = buffer.shape;
  if (shape.rank < 1 || shape.rank > 4) return "shapes have rank 1 to 4";
  if (!has_a_size(shape)) return "extents are positive and a buffer's size is addressable";
  if (is_quantised(shape.dtype) && (buffer.kind != BufferKind::kWeight || shape.rank != 2)) {
    return "only a weight of rank 2 may be quantised";
  }
  const bool in_scratch = buffer.space == schedule::Space::kScratch;
  if (in_scratch != (buffer.kind == BufferKind::kActivation)) return "activations lie in scratch, all else in global";
  if (buffer.kind != BufferKind::kKvCache) return nullptr;
  if (shape.rank != 3 || shape.extent[1] != program.meta.context) return "a KV cache is [heads, context, head_dim]";
  return shape.dtype == abi::Dtype::kU32 ? "a KV cache is f32, f16 or bf16" : nullptr;
}

Breach check_buffers(const Program& program) {
  for (uint32_t i = 0; i < program.buffers.size(); ++i) {
    if (const char* problem = problem_of(program, program.buffers[i])) return breach(problem, {}, BufferId(i));
  }
  for (const schedule::Counter& counter : program.counters) {
    if (counter.initial != 0) return breach("at the start of a pass every counter is 0");
  }
  return {};
}

// ---- tasks ----------------------------------------------------------------------------------------------------------

/// Bytes that a range of `buffer` may name: of the buffer, or of the row image of one position.
uint64_t addressable(const Buffer& buffer) {
  if (buffer.kind != BufferKind::kKvCache) return abi::size_bytes(buffer.shape);
  return buffer.shape.extent[0] * buffer.shape.extent[2] * abi::dtype_bytes(buffer.shape.dtype);
}

bool is_write(const Task& task, const abi::Range& range) {
  return abi::operand(task.opcode, range.operand).access == abi::Access::kWrite;
}

const char* problem_of(const Task& task, const abi::Range& range, const Buffer& buffer) {
  if (range.begin >= range.end || range.end > addressable(buffer)) return "a range is not empty and inside its buffer";
  const bool has_span = range.span != abi::Span::kWhole;
  if (has_span != (buffer.kind == BufferKind::kKvCache)) return "ranges of a KV cache, and no others, have a span";
  if (!is_write(task, range)) return nullptr;
  const bool writable =
      buffer.kind == BufferKind::kOutput || buffer.kind == BufferKind::kActivation || range.span == abi::Span::kCurrent;
  return writable ? nullptr : "only outputs, activations and the current position may be written";
}

Breach check_task(const Program& program, uint32_t index) {
  const Task& task = program.tasks[index];
  const TaskId id(index);
  if (static_cast<uint32_t>(task.opcode) >= abi::kOpcodeCount) return breach("a task names its instruction", {id});
  if (task.operands.size() != abi::operand_count(task.opcode)) return breach("one buffer for each operand", {id});
  for (const BufferId operand : task.operands) {
    if (operand.index() >= program.buffers.size()) return breach("a buffer that is named exists", {id});
  }
  if (task.signal.index() >= program.counters.size()) return breach("a counter that is named exists", {id});
  for (const schedule::Wait& wait : task.waits) {
    if (wait.counter.index() >= program.counters.size()) return breach("a counter that is named exists", {id});
  }
  for (const abi::Range& range : task.ranges) {
    if (range.operand >= task.operands.size()) return breach("a range names an operand", {id});
    const BufferId buffer = task.operands[range.operand];
    if (const char* problem = problem_of(task, range, program.buffer(buffer))) return breach(problem, {id}, buffer);
  }
  return {};
}

Breach check_tasks(const Program& program) {
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    if (Breach found = check_task(program, i)) return found;
  }
  return {};
}

// ---- placement ------------------------------------------------------------------------------------------------------

Breach check_placement(const Program& program) {
  const auto* target = std::find_if(std::begin(abi::kTargets), std::end(abi::kTargets),
                                    [&](const auto& known) { return std::string_view(known.name) == program.target; });
  if (target == std::end(abi::kTargets)) return breach("the target is a known one");
  if (program.placement.queues.size() > target->sms) return breach("at most as many queues as the target has SMs");
  std::vector<uint8_t> places(program.tasks.size());
  for (const auto& queue : program.placement.queues) {
    for (const TaskId task : queue) {
      if (task.index() >= places.size()) return breach("a task that is named exists");
      if (places[task.index()]++ != 0) return breach("a task stands in exactly one queue, once", {task});
    }
  }
  for (uint32_t i = 0; i < places.size(); ++i) {
    if (places[i] == 0) return breach("a task stands in exactly one queue, once", {TaskId(i)});
  }
  return {};
}

// ---- pages ----------------------------------------------------------------------------------------------------------

/// Lowest and highest id of a task that names each buffer in a range; invalid where none does.
struct Life {
  TaskId first;
  TaskId last;
};

std::vector<Life> lives(const Program& program) {
  std::vector<Life> out(program.buffers.size());
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    const Task& task = program.tasks[i];
    for (const abi::Range& range : task.ranges) {
      Life& life = out[task.operands[range.operand].index()];
      if (!life.first.valid()) life.first = TaskId(i);
      life.last = TaskId(i);
    }
  }
  return out;
}

const char* problem_of(const Program& program, const schedule::Page& page, const Life& life) {
  const uint64_t needed = abi::size_bytes(program.buffer(page.buffer).shape);
  if (page.offset % 128 != 0 || page.size % 128 != 0) return "a page's offset and size are multiples of 128";
  if (page.size < needed) return "a page is at least its activation's size";
  if (page.offset > program.scratch_bytes || page.size > program.scratch_bytes - page.offset) {
    return "a page lies inside the scratch memory";
  }
  if (page.first != life.first || page.last != life.last) {
    return "a page names the lowest and the highest id of a task that accesses its activation";
  }
  return nullptr;
}

Breach check_pages(const Program& program) {
  const std::vector<Life> life = lives(program);
  std::vector<uint8_t> pages(program.buffers.size());
  for (const schedule::Page& page : program.pages) {
    if (page.buffer.index() >= pages.size()) return breach("a buffer that is named exists");
    if (program.buffer(page.buffer).kind != BufferKind::kActivation) return breach("pages are of activations");
    if (pages[page.buffer.index()]++ != 0) return breach("every activation has one page", {}, page.buffer);
    if (const char* problem = problem_of(program, page, life[page.buffer.index()])) {
      return breach(problem, {}, page.buffer);
    }
  }
  for (uint32_t i = 0; i < pages.size(); ++i) {
    if (program.buffers[i].kind == BufferKind::kActivation && pages[i] == 0) {
      return breach("every activation has one page", {}, BufferId(i));
    }
  }
  return {};
}

}  // namespace

std::optional<Defect> breach_of_form(const Program& program) {
  for (const auto& check : {check_buffers, check_tasks, check_placement, check_pages}) {
    if (Breach found = check(program)) return found;
  }
  return {};
}

std::optional<Defect> breach_of_joins(const Program& program) {
  std::vector<uint32_t> producers(program.counters.size());
  for (const Task& task : program.tasks) ++producers[task.signal.index()];
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    for (const schedule::Wait& wait : program.tasks[i].waits) {
      const uint32_t joined = producers[wait.counter.index()];
      if (wait.threshold == joined && joined != 0) continue;
      return breach("a wait's threshold is the number of tasks that increment the counter", {TaskId(i)});
    }
  }
  return {};
}

}  // namespace amk::explorer
