#include "campaign/edits.h"

#include <algorithm>
#include <array>
#include <variant>

#include "instructions/contract.h"

namespace amk::campaign {

using schedule::Program;
using schedule::Task;
using schedule::Wait;

uint32_t producers_of(const Program& program, CounterId counter) {
  const auto increments = [counter](const Task& task) { return task.signal == counter; };
  return static_cast<uint32_t>(std::count_if(program.tasks.begin(), program.tasks.end(), increments));
}

void join_waits(Program& program) {
  std::vector<uint32_t> producers(program.counters.size());
  for (const Task& task : program.tasks) ++producers[task.signal.index()];
  for (Task& task : program.tasks) {
    std::erase_if(task.waits, [&](const Wait& wait) { return producers[wait.counter.index()] == 0; });
    for (Wait& wait : task.waits) wait.threshold = producers[wait.counter.index()];
  }
}

void refresh_lives(Program& program) {
  std::vector<schedule::Page*> pages(program.buffers.size());
  for (schedule::Page& page : program.pages) {
    page.first = page.last = TaskId();
    pages[page.buffer.index()] = &page;
  }
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    const Task& task = program.tasks[i];
    for (const abi::Range& range : task.ranges) {
      schedule::Page* page = pages[task.operands[range.operand].index()];
      if (page == nullptr) continue;
      if (!page->first.valid()) page->first = TaskId(i);
      page->last = TaskId(i);
    }
  }
}

bool derive_ranges(const Program& program, Task& task) {
  std::array<abi::Shape, abi::kMaxOperands> shapes;
  for (size_t i = 0; i < task.operands.size(); ++i) shapes[i] = program.buffer(task.operands[i]).shape;
  instructions::RangeList list;
  if (instructions::contract(task.opcode, task.params, {shapes.data(), task.operands.size()}, list)) return false;
  task.ranges.assign(list.ranges().begin(), list.ranges().end());
  return true;
}

std::optional<Tile> tile_of(instructions::Params& params) {
  const auto tile = [](auto& record) -> std::optional<Tile> {
    if constexpr (requires { record.row_begin; }) return Tile{&record.row_begin, &record.row_count};
    if constexpr (requires { record.pair_begin; }) return Tile{&record.pair_begin, &record.pair_count};
    if constexpr (requires { record.col_begin; }) return Tile{&record.col_begin, &record.col_count};
    if constexpr (requires { record.begin; }) return Tile{&record.begin, &record.count};
    return std::nullopt;
  };
  return std::visit(tile, params);
}

uint32_t* kv_head_of(instructions::Params& params) {
  const auto head = [](auto& record) -> uint32_t* {
    if constexpr (requires { record.kv_head; }) return &record.kv_head;
    return nullptr;
  };
  return std::visit(head, params);
}

bool streams(const Task& task) {
  return std::visit(
      [](const auto& record) {
        return requires { record.k_chunk; };
      },
      task.params);
}

}  // namespace amk::campaign
