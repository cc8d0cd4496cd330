#include <algorithm>

#include "instructions/attention/attention.h"
#include "instructions/cpu_operands.h"

namespace amk::instructions {

namespace {
/// Positions whose keys and values stay in the first-level cache while every head of the group goes over them.
constexpr size_t kPositionsAtOnce = 64;

/// `count` elements of the value cache as float32: where they stand, or widened in the workspace.
const float* value_rows(const CpuOperand& cache, const std::byte* from, size_t count, CpuWorkspace& workspace) {
  if (cache.shape->dtype == abi::Dtype::kF32) return reinterpret_cast<const float*>(from);
  float* out = grown(workspace.vector, count);
  widen(cache.shape->dtype, from, count, out);
  return out;
}

/// Runs a task's split; `running(head)` is where the state of a head is kept.
template <typename RunningOf>
void attend(const abi::AttentionParams& params, Operands operands, CpuWorkspace& workspace, const RunningOf& running) {
  constexpr auto kOp = abi::Opcode::kAttention;
  const uint32_t position = *indices(operands[operand_index<kOp>("position")]);
  const CpuOperand& k_cache = operands[operand_index<kOp>("k_cache")];
  const CpuOperand& v_cache = operands[operand_index<kOp>("v_cache")];
  const size_t head_dim = params.head_dim;
  const size_t first_head = size_t{params.kv_head} * params.group;
  const float* q = floats(operands[operand_index<kOp>("q")]);
  for (size_t head = first_head; head < first_head + params.group; ++head) running(head).clear();
  const PositionSpan span = split_positions(position, params.kv_block, params.split, params.splits);
  for (size_t begin = span.begin; begin < span.end; begin += kPositionsAtOnce) {
    const size_t count = std::min<size_t>(kPositionsAtOnce, span.end - begin);
    const MatrixView key_rows = {k_cache.shape->dtype, cache_at(k_cache, params.kv_head, begin), head_dim};
    const float* values = value_rows(v_cache, cache_at(v_cache, params.kv_head, begin), count * head_dim, workspace);
    for (size_t head = first_head; head < first_head + params.group; ++head) {
      float scores[kPositionsAtOnce];
      dot_rows(key_rows, 0, count, head_dim, q + head * head_dim, scores);
      for (size_t t = 0; t < count; ++t) scores[t] *= params.scale;
      running(head).add(scores, values, count);
    }
  }
}

}  // namespace

template <>
void run_cpu_of<abi::Opcode::kAttention>(const abi::AttentionParams& params, Operands operands,
                                         CpuWorkspace& workspace) {
  const size_t head_dim = params.head_dim;
  float* partials = floats(operands[operand_index<abi::Opcode::kAttention>("partials")]);
  attend(params, operands, workspace, [&](size_t head) {
    return RunningSoftmax{partials + (head * params.splits + params.split) * (head_dim + 2), head_dim};
  });
}

template <>
void run_cpu_of<abi::Opcode::kAttentionCombine>(const abi::AttentionParams& params, Operands operands,
                                                CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kAttentionCombine;
  const size_t head_dim = params.head_dim, pitch = head_dim + 2, of_head = params.splits * pitch;
  const size_t first_head = size_t{params.kv_head} * params.group;
  const float* others = floats(operands[operand_index<kOp>("partials")]);
  float* y = floats(operands[operand_index<kOp>("y")]);
  // All partials of the task's heads, the own ones last, as Combine reads them.
  float* all = grown(workspace.results, params.group * of_head);
  for (size_t i = 0; i < params.group; ++i) {
    std::copy_n(others + (first_head + i) * of_head, params.split * pitch, all + i * of_head);
  }
  attend(params, operands, workspace, [&](size_t head) {
    return RunningSoftmax{all + (head - first_head) * of_head + params.split * pitch, head_dim};
  });
  for (size_t i = 0; i < params.group; ++i) {
    combine_head(all + i * of_head, params.splits, head_dim, y + (first_head + i) * head_dim);
  }
}

}  // namespace amk::instructions
