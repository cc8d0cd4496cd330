#include "schedule/passes/emitter.h"

#include <algorithm>

#include "instructions/contract.h"
#include "schedule/task_cost.h"

namespace amk::schedule::passes {
namespace {

abi::Shape make_shape(abi::Dtype dtype, std::initializer_list<uint64_t> extents) {
  abi::Shape shape;
  shape.dtype = dtype;
  shape.rank = static_cast<uint32_t>(extents.size());
  std::copy(extents.begin(), extents.end(), shape.extent);
  return shape;
}

}  // namespace

BufferId Emitter::add(Buffer buffer) {
  buffer.space = buffer.kind == abi::BufferKind::kActivation ? Space::kScratch : Space::kGlobal;
  state_.program.buffers.push_back(std::move(buffer));
  return BufferId(static_cast<uint32_t>(state_.program.buffers.size() - 1));
}

BufferId Emitter::find_or_add(Buffer buffer) {
  const auto found = by_name_.find(buffer.name);
  if (found != by_name_.end()) return found->second;
  const std::string name = buffer.name;
  return by_name_.emplace(name, add(std::move(buffer))).first->second;
}

BufferId Emitter::weight(const std::string& tensor) {
  const auto shape = state_.request.graph->weights.find(tensor);
  AMK_ASSERT(shape != state_.request.graph->weights.end(), tensor);
  return find_or_add({tensor, abi::BufferKind::kWeight, shape->second, {}, tensor});
}

BufferId Emitter::rope_frequencies() {
  const uint64_t half = state_.request.graph->config.head_dim / 2;
  return find_or_add(
      {"rope.inv_freq", abi::BufferKind::kConst, make_shape(abi::Dtype::kF32, {half}), {}, "rope.inv_freq"});
}

BufferId Emitter::token_in() {
  return find_or_add({"token", abi::BufferKind::kInput, make_shape(abi::Dtype::kU32, {1}), {}, ""});
}

BufferId Emitter::position() {
  return find_or_add({"position", abi::BufferKind::kInput, make_shape(abi::Dtype::kU32, {1}), {}, ""});
}

BufferId Emitter::output(std::string_view name, abi::Dtype dtype, uint64_t extent) {
  return find_or_add({std::string(name), abi::BufferKind::kOutput, make_shape(dtype, {extent}), {}, ""});
}

BufferId Emitter::activation(std::string name, std::initializer_list<uint64_t> extents, abi::Dtype dtype) {
  return add({std::move(name), abi::BufferKind::kActivation, make_shape(dtype, extents), {}, ""});
}

BufferId Emitter::kv_cache(std::string name) {
  const model::ModelConfig& config = state_.request.graph->config;
  return add({std::move(name),
              abi::BufferKind::kKvCache,
              make_shape(state_.request.kv_dtype, {config.kv_head_count, state_.request.context, config.head_dim}),
              {},
              ""});
}

void Emitter::end_stages() {
  const auto count = static_cast<uint32_t>(state_.program.tasks.size());
  if (!state_.stages.empty()) state_.stages.back().end = count;
}

void Emitter::begin_stage(bool beside) {
  end_stages();
  const auto count = static_cast<uint32_t>(state_.program.tasks.size());
  state_.stages.push_back({count, count, beside});
}

void Emitter::task(abi::Opcode opcode, const instructions::Params& params, std::vector<BufferId> operands,
                   std::string label) {
  AMK_ASSERT(operands.size() == abi::operand_count(opcode), label);
  AMK_ASSERT(instructions::params_match(opcode, params), label);
  std::vector<abi::Shape> shapes;
  for (const BufferId id : operands) shapes.push_back(state_.program.buffer(id).shape);
  instructions::RangeList list;
  if (const auto problem = instructions::contract(opcode, params, shapes, list)) {
    if (status_) {
      status_ = Error{ErrorCode::kUnsupported, *problem, std::string(abi::info(opcode).name) + " " + label, ""};
    }
    return;
  }
  Task task;
  task.opcode = opcode;
  task.params = params;
  task.operands = std::move(operands);
  task.ranges.assign(list.ranges().begin(), list.ranges().end());
  const TaskCost cost = task_cost(opcode, params, shapes, task.ranges);
  task.bytes = cost.bytes;
  task.flops = cost.flops;
  task.label = std::move(label);
  state_.program.tasks.push_back(std::move(task));
}

}  // namespace amk::schedule::passes
