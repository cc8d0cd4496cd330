#include "vm/reference/bound_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "base/checked.h"
#include "instructions/cpu_math.h"
#include "model/model_config.h"

namespace amk::vm {

namespace {

using schedule::Buffer;

/// Where an access to a buffer may begin, in bytes: a cache line.
constexpr uint64_t kAlignment = 64;
constexpr std::string_view kInvFreq = "rope.inv_freq";

std::string shape_text(abi::Dtype dtype, std::span<const uint64_t> extents) {
  return fmt::format("{} [{}]", abi::dtype_name(dtype), fmt::join(extents, ", "));
}

Error bad(const Buffer& buffer, std::string message, std::string hint = "") {
  return {ErrorCode::kBadInput, std::move(message), "buffer '" + buffer.name + "'", std::move(hint)};
}

/// The checkpoint's tensor, where it is exactly what the program was compiled for.
Result<std::byte*> weight_data(const Buffer& buffer, const model::Checkpoint& checkpoint,
                               const std::unordered_set<std::string>& names) {
  if (!names.contains(buffer.source)) {
    return bad(buffer, fmt::format("expected a tensor of '{}', found '{}'", checkpoint.name(), buffer.source));
  }
  const model::TensorView tensor = checkpoint.tensor(buffer.source);
  const std::span<const uint64_t> extents(buffer.shape.extent, buffer.shape.rank);
  if (tensor.dtype != buffer.shape.dtype || !std::ranges::equal(tensor.shape, extents)) {
    return bad(
        buffer,
        fmt::format("expected '{}' to be {}, found {} in '{}'", buffer.source, shape_text(buffer.shape.dtype, extents),
                    shape_text(tensor.dtype, tensor.shape), checkpoint.name()),
        "use the checkpoint that the program was compiled for");
  }
  // Operands are one type for reads and writes; the validator has proven that no task writes a weight.
  return const_cast<std::byte*>(tensor.data.data());
}

/// Bytes of memory that the VM provides for a buffer: none for weights, nor for activations, which lie in scratch.
uint64_t owned_bytes(const Buffer& buffer) {
  const bool elsewhere = buffer.kind == abi::BufferKind::kWeight || buffer.kind == abi::BufferKind::kActivation;
  return elsewhere ? 0 : abi::size_bytes(buffer.shape);
}

}  // namespace

Result<std::unique_ptr<BoundProgram>> BoundProgram::bind(const validator::ValidatedProgram& program,
                                                         const model::Checkpoint& checkpoint, bool is_part) {
  std::unique_ptr<BoundProgram> bound(new BoundProgram(program));
  AMK_TRY(bound->reserve());
  AMK_TRY(bound->bind_buffers(checkpoint));
  AMK_TRY(bound->bind_interface(is_part));
  bound->bind_tasks();
  return bound;
}

Status BoundProgram::reserve() {
  std::optional<uint64_t> total = program().scratch_bytes;
  for (const Buffer& buffer : program().buffers) {
    // Each buffer is rounded up to a cache line; the validator keeps its size below 2^63.
    if (total) total = checked_add(*total, round_up(owned_bytes(buffer), kAlignment));
    if (total) total = checked_add(*total, kAlignment);
  }
  if (!total) return Error{ErrorCode::kIo, "expected the buffers to fit an address space, found more", "", ""};
  AMK_ASSIGN_OR_RETURN(memory_, Memory::reserve(*total));
  return {};
}

Status BoundProgram::bind_buffers(const model::Checkpoint& checkpoint) {
  std::unordered_set<std::string> names;
  for (const model::TensorSpec& spec : model::expected_tensors(checkpoint.config())) names.insert(spec.name);
  uint64_t next = round_up(program().scratch_bytes, kAlignment);
  for (const Buffer& buffer : program().buffers) {
    std::byte* data = nullptr;
    if (buffer.kind == abi::BufferKind::kWeight) {
      AMK_ASSIGN_OR_RETURN(data, weight_data(buffer, checkpoint, names));
    } else if (buffer.kind != abi::BufferKind::kActivation) {
      data = memory_.data() + next;
      next += round_up(owned_bytes(buffer), kAlignment);
    }
    if (buffer.kind == abi::BufferKind::kConst) {
      const model::ModelConfig& config = checkpoint.config();
      if (buffer.source != kInvFreq) {
        return bad(buffer, fmt::format("expected the constant '{}', found '{}'", kInvFreq, buffer.source));
      }
      const std::vector<float> values = model::rope_inverse_frequencies(config.rope, config.head_dim);
      if (abi::element_count(buffer.shape) != values.size() || buffer.shape.dtype != abi::Dtype::kF32) {
        return bad(buffer, fmt::format("expected {} rotary frequencies of float32, found {} of {}", values.size(),
                                       abi::element_count(buffer.shape), abi::dtype_name(buffer.shape.dtype)));
      }
      std::memcpy(data, values.data(), abi::size_bytes(buffer.shape));
    }
    data_.push_back(data);
  }
  for (const schedule::Page& page : program().pages) data_[page.buffer.index()] = memory_.data() + page.offset;
  return {};
}

Status BoundProgram::bind_interface(bool is_part) {
  std::byte* token = nullptr;
  std::byte* position = nullptr;
  for (size_t i = 0; i < program().buffers.size(); ++i) {
    const Buffer& buffer = program().buffers[i];
    const bool one_index = buffer.shape.dtype == abi::Dtype::kU32 && abi::element_count(buffer.shape) == 1;
    if (buffer.kind == abi::BufferKind::kInput) {
      if (!one_index || (buffer.name != "token" && buffer.name != "position")) {
        return bad(buffer, "expected the inputs to be 'token' and 'position', each u32 [1]");
      }
      std::byte*& input = buffer.name == "token" ? token : position;
      if (input != nullptr) return bad(buffer, "expected one buffer for each input, found two of this name");
      input = data_[i];
    } else if (buffer.kind == abi::BufferKind::kOutput && buffer.name == "next_token" && one_index) {
      next_token_ = reinterpret_cast<const uint32_t*>(data_[i]);
    } else if (buffer.kind == abi::BufferKind::kOutput && buffer.name == "logits" &&
               buffer.shape.dtype == abi::Dtype::kF32) {
      logits_ = {reinterpret_cast<const float*>(data_[i]), abi::element_count(buffer.shape)};
    }
  }
  const bool outputs = next_token_ != nullptr && !logits_.empty();
  if (token == nullptr || position == nullptr || !(outputs || is_part)) {
    return Error{ErrorCode::kBadInput,
                 "expected the inputs 'token' and 'position' and the outputs 'logits' and 'next_token'", "", ""};
  }
  token_ = reinterpret_cast<uint32_t*>(token);
  position_ = reinterpret_cast<uint32_t*>(position);
  return {};
}

void BoundProgram::bind_tasks() {
  counters_ = std::vector<BoundCounter>(program().counters.size());
  size_t operand_count = 0, wait_count = 0;
  for (const schedule::Task& task : program().tasks) {
    operand_count += task.operands.size();
    wait_count += task.waits.size();
  }
  operands_.reserve(operand_count);  // spans into both are handed out below
  waits_.reserve(wait_count);
  vocab_ = std::numeric_limits<uint32_t>::max();
  for (const std::vector<TaskId>& queue : program().placement.queues) {
    std::vector<BoundTask>& bound = queues_.emplace_back();
    bound.reserve(queue.size());
    for (const TaskId id : queue) {
      const schedule::Task& task = program().task(id);
      const size_t first_operand = operands_.size(), first_wait = waits_.size();
      for (const BufferId buffer : task.operands) {
        operands_.push_back({data_[buffer.index()], &program().buffer(buffer).shape});
      }
      for (const schedule::Wait& wait : task.waits) {
        waits_.push_back({&counters_[wait.counter.index()].value, wait.threshold});
      }
      if (task.opcode == abi::Opcode::kEmbed) {
        vocab_ = std::min(vocab_, program().buffer(task.operands[1]).shape.extent[0]);
      }
      bound.push_back({task.opcode,
                       &task.params,
                       {operands_.data() + first_operand, task.operands.size()},
                       {waits_.data() + first_wait, task.waits.size()},
                       &counters_[task.signal.index()].value});
    }
  }
}

void BoundProgram::begin_pass(uint32_t token, uint32_t position) {
  *token_ = token;
  *position_ = position;
  for (BoundCounter& counter : counters_) counter.value.store(0, std::memory_order_relaxed);
}

Result<std::vector<float>> BoundProgram::values(BufferId id, uint32_t position) const {
  const Buffer& buffer = program().buffer(id);
  const std::byte* data = data_[id.index()];
  std::vector<float> out;
  if (buffer.kind == abi::BufferKind::kKvCache) {
    const uint64_t heads = buffer.shape.extent[0], head_dim = buffer.shape.extent[2];
    out.resize(heads * head_dim);
    const uint64_t row = head_dim * abi::dtype_bytes(buffer.shape.dtype);
    for (uint64_t head = 0; head < heads; ++head) {
      instructions::widen(buffer.shape.dtype, data + (head * buffer.shape.extent[1] + position) * row, head_dim,
                          out.data() + head * head_dim);
    }
    return out;
  }
  out.resize(abi::element_count(buffer.shape));
  std::memcpy(out.data(), data, out.size() * sizeof(float));
  return out;
}

void BoundProgram::poison(uint32_t position) {
  constexpr int kNanByte = 0xff;  // four of them are a NaN
  if (program().scratch_bytes > 0) std::memset(memory_.data(), kNanByte, program().scratch_bytes);
  for (size_t i = 0; i < program().buffers.size(); ++i) {
    const Buffer& buffer = program().buffers[i];
    if (buffer.kind == abi::BufferKind::kOutput) std::memset(data_[i], kNanByte, abi::size_bytes(buffer.shape));
    if (buffer.kind != abi::BufferKind::kKvCache) continue;
    const uint64_t row = buffer.shape.extent[2] * abi::dtype_bytes(buffer.shape.dtype);
    for (uint64_t head = 0; head < buffer.shape.extent[0]; ++head) {
      std::memset(data_[i] + (head * buffer.shape.extent[1] + position) * row, kNanByte, row);
    }
  }
}

void BoundProgram::set_history(const std::function<float(uint32_t layer, bool value, uint64_t element)>& draw,
                               uint32_t position) {
  uint32_t cache = 0;
  std::vector<float> row;
  for (size_t i = 0; i < program().buffers.size(); ++i) {
    const Buffer& buffer = program().buffers[i];
    if (buffer.kind != abi::BufferKind::kKvCache) continue;
    const uint64_t heads = buffer.shape.extent[0], head_dim = buffer.shape.extent[2];
    row.resize(head_dim);
    for (uint64_t at = 0; at < position * heads; ++at) {  // position, head
      for (uint64_t e = 0; e < head_dim; ++e) row[e] = draw(cache / 2, cache % 2 == 1, at * head_dim + e);
      const uint64_t place = at % heads * buffer.shape.extent[1] + at / heads;
      instructions::store_rounded(buffer.shape.dtype, row.data(), head_dim,
                                  data_[i] + place * head_dim * abi::dtype_bytes(buffer.shape.dtype));
    }
    ++cache;
  }
}

}  // namespace amk::vm
