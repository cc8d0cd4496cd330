#include "support/mini_program.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "instructions/contract.h"

namespace amk::test {
namespace {

abi::Shape shape(abi::Dtype dtype, std::initializer_list<uint64_t> extents) {
  abi::Shape out;
  out.dtype = dtype;
  out.rank = static_cast<uint32_t>(extents.size());
  std::copy(extents.begin(), extents.end(), out.extent);
  return out;
}

}  // namespace

MiniProgram::MiniProgram(uint32_t sms) {
  program.meta = {"mini", 16, "mini"};
  program.target = "h100";
  program.placement.queues.resize(sms);
  program.launch = {544,
                    2,
                    2048,
                    1024,
                    2 * 2048 + 1024 + schedule::control_bytes(544),
                    2,
                    1,
                    abi::StreamBackend::kBulk,
                    abi::SyncProtocol::kPackets,
                    abi::Products::kTensorCores};
  using schedule::Space;
  program.buffers.push_back({"token", abi::BufferKind::kInput, shape(abi::Dtype::kU32, {1}), Space::kGlobal, ""});
  program.buffers.push_back(
      {"table", abi::BufferKind::kWeight, shape(abi::Dtype::kF32, {8, kSize}), Space::kGlobal, "table"});
  token_ = BufferId(0);
  table_ = BufferId(1);
}

BufferId MiniProgram::vector(const std::string& name) {
  const BufferId id(static_cast<uint32_t>(program.buffers.size()));
  program.buffers.push_back(
      {name, abi::BufferKind::kActivation, shape(abi::Dtype::kF32, {kSize}), schedule::Space::kScratch, ""});
  const uint64_t size = round_up(kSize * sizeof(float), schedule::kPageAlignment);
  program.pages.push_back({id, program.scratch_bytes, size, {}, {}});
  program.scratch_bytes += size;
  return id;
}

TaskId MiniProgram::append(uint32_t sm, schedule::Task task) {
  std::vector<abi::Shape> shapes;
  for (const BufferId operand : task.operands) shapes.push_back(program.buffer(operand).shape);
  instructions::RangeList list;
  const auto problem = instructions::contract(task.opcode, task.params, shapes, list);
  AMK_ASSERT(!problem, *problem);
  task.ranges.assign(list.ranges().begin(), list.ranges().end());
  const TaskId id(static_cast<uint32_t>(program.tasks.size()));
  task.signal = CounterId(id.index());
  task.label = "t" + std::to_string(id.index());
  program.counters.push_back({0, task.label});
  program.tasks.push_back(std::move(task));
  program.placement.queues[sm].push_back(id);
  refresh_pages();
  return id;
}

TaskId MiniProgram::fill(uint32_t sm, BufferId y, uint32_t begin, uint32_t count) {
  schedule::Task task;
  task.opcode = abi::Opcode::kEmbed;
  task.params = abi::EmbedParams{begin, count};
  task.operands = {token_, table_, y};
  return append(sm, std::move(task));
}

TaskId MiniProgram::add(uint32_t sm, BufferId x, BufferId residual, BufferId y, uint32_t begin, uint32_t count) {
  schedule::Task task;
  task.opcode = abi::Opcode::kResidualAdd;
  task.params = abi::ElementwiseParams{begin, count};
  task.operands = {x, residual, y};
  return append(sm, std::move(task));
}

TaskId MiniProgram::product(uint32_t sm, BufferId x, BufferId y, uint32_t begin, uint32_t count) {
  schedule::Task task;
  task.opcode = abi::Opcode::kGemv;
  task.params = abi::GemvParams{begin, count, kSize, 32};
  task.operands = {table_, x, y};
  return append(sm, std::move(task));
}

void MiniProgram::wait(TaskId task, std::initializer_list<TaskId> producers) {
  for (const TaskId producer : producers) {
    program.tasks[task.index()].waits.push_back({program.task(producer).signal, 1});
  }
}

void MiniProgram::refresh_pages() {
  for (schedule::Page& page : program.pages) {
    page.first = page.last = TaskId();
    for (uint32_t i = 0; i < program.tasks.size(); ++i) {
      const schedule::Task& task = program.tasks[i];
      const bool uses = std::any_of(task.ranges.begin(), task.ranges.end(), [&](const abi::Range& range) {
        return range.operand < task.operands.size() && task.operands[range.operand] == page.buffer;
      });
      if (!uses) continue;
      if (!page.first.valid()) page.first = TaskId(i);
      page.last = TaskId(i);
    }
  }
}

void MiniProgram::overlay(BufferId moved, BufferId onto) {
  const auto page = [&](BufferId buffer) -> schedule::Page& {
    return *std::find_if(program.pages.begin(), program.pages.end(), [&](const auto& p) { return p.buffer == buffer; });
  };
  page(moved).offset = page(onto).offset;
}

}  // namespace amk::test
