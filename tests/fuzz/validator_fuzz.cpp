// Whatever is done to an accepted program, field by field, the validator's properties hold of the result.
//
// The first byte chooses the program; each further 8 bytes are one edit: what, at which two places, and the new value.
// Values reach what no JSON can say: names outside their tables, ids far outside their lists.
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>

#include "base/assert.h"
#include "fuzz/program_properties.h"
#include "support/lowered.h"
#include "support/mini_program.h"

namespace {

using namespace amk;
using schedule::Program;
using schedule::Task;

/// Four queues:  a, b filled;  c = a + b;  d = c + a;  e = table . d.
Program small_program() {
  test::MiniProgram mini(4);
  const BufferId a = mini.vector("a"), b = mini.vector("b"), c = mini.vector("c"), d = mini.vector("d");
  const BufferId e = mini.vector("e");
  mini.program.buffers[e.index()].shape.extent[0] = 8;
  const TaskId fill_a = mini.fill(0, a), fill_b = mini.fill(1, b), sum = mini.add(2, a, b, c);
  const TaskId last = mini.add(0, c, a, d), product = mini.product(3, d, e);
  mini.wait(sum, {fill_a, fill_b});
  mini.wait(last, {sum});
  mini.wait(product, {last});
  return mini.program;
}

/// `config` with tiles so large that a toy model has some twenty tasks.
schedule::ScheduleConfig in_large_tiles(schedule::ScheduleConfig config) {
  config.gemv_n_tile = 64;
  config.attention_splits = 1;
  return config;
}

const std::vector<Program>& originals() {
  static const std::vector<Program> made = [] {
    const test::LoweredModel toy = test::open_model("toy");
    return std::vector<Program>{small_program(), test::lower(toy, "t4", in_large_tiles({}), 16),
                                test::lower(toy, "t4", in_large_tiles(test::unfused()), 16)};
  }();
  return made;
}

/// One edit. `value` is small, or one of the numbers at which things overflow.
struct Edit {
  uint8_t what = 0;
  uint16_t place = 0;
  uint8_t part = 0;
  uint64_t value = 0;
};

constexpr uint64_t kEdges[] = {
    UINT8_MAX,         INT32_MAX, uint64_t{INT32_MAX} + 1, UINT32_MAX, uint64_t{UINT32_MAX} + 1,
    uint64_t{1} << 42, INT64_MAX, uint64_t{INT64_MAX} + 1, UINT64_MAX, UINT64_MAX - 127};

Edit edit_at(const uint8_t* bytes) {
  Edit edit;
  edit.what = bytes[0];
  std::memcpy(&edit.place, bytes + 1, sizeof(edit.place));
  edit.part = bytes[3];
  uint32_t value = 0;
  std::memcpy(&value, bytes + 4, sizeof(value));
  constexpr uint32_t kIsEdge = 0xff000000;
  edit.value = (value & kIsEdge) == kIsEdge ? kEdges[value % std::size(kEdges)] : value;
  return edit;
}

/// The element that an index from outside means; nullptr of an empty list.
template <typename T>
T* pick(std::vector<T>& list, uint64_t index) {
  return list.empty() ? nullptr : &list[index % list.size()];
}

void edit_params(instructions::Params& params, const Edit& edit) {
  std::visit(
      [&](auto& record) {
        const auto word = static_cast<uint32_t>(edit.value);
        std::memcpy(reinterpret_cast<char*>(&record) + edit.part % (sizeof(record) / sizeof(word)) * sizeof(word),
                    &word, sizeof(word));
      },
      params);
}

void edit_range(abi::Range& range, const Edit& edit) {
  switch (edit.part / 16 % 4) {
    case 0:
      range.begin = edit.value;
      return;
    case 1:
      range.end = edit.value;
      return;
    case 2:
      range.operand = static_cast<uint8_t>(edit.value);
      return;
    default:
      range.span = static_cast<abi::Span>(edit.value);
  }
}

void edit_wait(Task& task, const Edit& edit) {
  schedule::Wait* wait = pick(task.waits, edit.part / 4U);
  const auto value = static_cast<uint32_t>(edit.value);
  if (edit.part % 4 == 0 || wait == nullptr) {
    task.waits.push_back({CounterId(value), 1});
  } else if (edit.part % 4 == 1) {
    task.waits.erase(task.waits.begin() + (wait - task.waits.data()));
  } else if (edit.part % 4 == 2) {
    wait->counter = CounterId(value);
  } else {
    wait->threshold = value;
  }
}

void edit_task(Program& program, const Edit& edit) {
  Task* task = pick(program.tasks, edit.place);
  if (task == nullptr) return;
  const auto value = static_cast<uint32_t>(edit.value);
  switch (edit.what / 8 % 7) {
    case 0:
      return edit_wait(*task, edit);
    case 1:
      task->signal = CounterId(value);
      return;
    case 2:
      task->opcode = static_cast<abi::Opcode>(value);
      return;
    case 3:
      return edit_params(task->params, edit);
    case 4:
      if (BufferId* operand = pick(task->operands, edit.part)) *operand = BufferId(value);
      return;
    case 5:
      if (abi::Range* range = pick(task->ranges, edit.part % 16)) edit_range(*range, edit);
      return;
    default:
      if (edit.part % 2 == 0) {
        task->ranges.push_back({static_cast<uint8_t>(edit.part / 2), abi::Span::kWhole, 0, edit.value});
      } else if (!task->ranges.empty()) {
        task->ranges.pop_back();
      }
  }
}

void edit_buffer(Program& program, const Edit& edit) {
  schedule::Buffer* buffer = pick(program.buffers, edit.place);
  if (buffer == nullptr) return;
  switch (edit.part % 5) {
    case 0:
      buffer->kind = static_cast<abi::BufferKind>(edit.value);
      return;
    case 1:
      buffer->shape.dtype = static_cast<abi::Dtype>(edit.value);
      return;
    case 2:
      buffer->shape.rank = static_cast<uint32_t>(edit.value);
      return;
    case 3:
      buffer->shape.extent[edit.part / 5 % abi::kMaxRank] = edit.value;
      return;
    default:
      buffer->space = static_cast<schedule::Space>(edit.value);
  }
}

void edit_queues(Program& program, const Edit& edit) {
  std::vector<TaskId>* queue = pick(program.placement.queues, edit.place);
  if (queue == nullptr) return;
  switch (edit.what / 8 % 4) {
    case 0:
      if (TaskId* task = pick(*queue, edit.part)) *task = TaskId(static_cast<uint32_t>(edit.value));
      return;
    case 1:
      if (queue->size() > 1) std::swap((*queue)[edit.part % queue->size()], (*queue)[edit.value % queue->size()]);
      return;
    case 2:
      if (TaskId* task = pick(*queue, edit.part)) {
        const TaskId moved = *task;
        queue->erase(queue->begin() + (task - queue->data()));
        pick(program.placement.queues, edit.value)->push_back(moved);
      }
      return;
    default:
      program.placement.queues.resize(edit.value % 256);
  }
}

void edit_page(Program& program, const Edit& edit) {
  schedule::Page* page = pick(program.pages, edit.place);
  const auto value = static_cast<uint32_t>(edit.value);
  if (page == nullptr) return;
  switch (edit.part % 7) {
    case 0:
      page->offset = edit.value;
      return;
    case 1:
      page->offset = program.pages[edit.value % program.pages.size()].offset;
      return;
    case 2:
      page->size = edit.value;
      return;
    case 3:
      page->buffer = BufferId(value);
      return;
    case 4:
      page->first = TaskId(value);
      return;
    case 5:
      page->last = TaskId(value);
      return;
    default:
      program.scratch_bytes = edit.value;
  }
}

void edit_launch(Program& program, const Edit& edit) {
  schedule::Launch& launch = program.launch;
  uint32_t* const numbers[] = {&launch.threads_per_block, &launch.stages,        &launch.stage_bytes,
                               &launch.activation_bytes,  &launch.smem_bytes,    &launch.copies_in_flight,
                               &launch.tokens_per_launch, &program.meta.context, &program.ir_version};
  const auto value = static_cast<uint32_t>(edit.value);
  switch (edit.part % 4) {
    case 0:
      *numbers[edit.place % std::size(numbers)] = value;
      return;
    case 1:
      launch.stream_backend = static_cast<abi::StreamBackend>(value);
      return;
    case 2:
      launch.sync_protocol = static_cast<abi::SyncProtocol>(value);
      return;
    default:
      launch.products = static_cast<abi::Products>(value);
  }
}

void edit_elsewhere(Program& program, const Edit& edit) {
  switch (edit.part % 4) {
    case 0:
      program.target = abi::kTargets[edit.value % abi::kTargetCount].name;
      return;
    case 1:
      if (schedule::Counter* counter = pick(program.counters, edit.place)) counter->initial = edit.part / 4U;
      return;
    case 2:
      program.counters.resize(edit.value % 4096);
      return;
    default:
      if (program.tasks.size() < 4096) program.tasks.push_back(*pick(program.tasks, edit.place));
  }
}

void apply(Program& program, const Edit& edit) {
  switch (edit.what % 8) {
    case 0:
    case 1:
    case 2:
      return edit_task(program, edit);
    case 3:
      return edit_buffer(program, edit);
    case 4:
      return edit_queues(program, edit);
    case 5:
      return edit_page(program, edit);
    case 6:
      return edit_launch(program, edit);
    default:
      return edit_elsewhere(program, edit);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kEditBytes = 8, kEditsMax = 64;
  if (size == 0) return 0;
  Program program = originals()[data[0] % originals().size()];
  const size_t edits = std::min((size - 1) / kEditBytes, kEditsMax);
  for (size_t i = 0; i < edits; ++i) apply(program, edit_at(data + 1 + i * kEditBytes));
  fuzz::check_properties(program);
  return 0;
}
