// Attention: the query heads of one key-value head over one split of the positions, unnormalised. AttentionCombine: the
// last split, which joins the others.
//
// With n = position + 1 positions there are B = ceil(n / kv_block) blocks; split s of S has the blocks
// [floor(B * s / S), floor(B * (s + 1) / S)), the last block cut at n. So the last split always holds the current
// position. For each head h in [kv_head * group, kv_head * group + group) and the positions t of the split:
//
//   score[t] = scale * (q[h, :] . k_cache[kv_head, t, :])
//   max = maximum of score, sum = sum of exp(score[t] - max), values[i] = sum of exp(score[t] - max) * v_cache[kv_head,
//   t, i] partials[h, split, 0 .. head_dim) = values, [head_dim] = max, [head_dim + 1] = sum
//
// A split without positions writes values 0, maximum -inf, sum 0. A score that is NaN makes the sum and values NaN.
// The maximum may be a running one, corrected as it grows; sums are float32.
//
// position u32[1], below context; q f32[q_heads x head_dim], q_heads = kv_heads x group; caches
// [kv_heads, context, head_dim], both f32, f16 or bf16, widened exactly; partials f32[q_heads, splits, head_dim + 2].
//
// Reads position whole, the group's heads of q, and of both caches the head's part of the row image: at past positions
// and, the last split, at the current one. Writes partials[h, split, :] of its heads: one range a head, joined where
// there is but one split.
//
// AttentionCombine is the task of the last split, split = splits - 1. It leaves no partial: it joins its own with those
// of the splits before it, of which there is at least one, as Combine does (combine.h), and writes y[h, :] for its
// heads; y f32[q_heads x head_dim]. It reads what Attention reads and partials[h, 0 .. splits - 1, :]. While few
// positions are filled the other splits are empty and nobody waits for anyone: the output is one step behind the
// queries. Source: transformers integrations/sdpa_attention.py; the split and its correction: Dao et al.,
// "Flash-Decoding" (crfm.stanford.edu/2023/10/12/flashdecoding.html); Milakov and Gimelshein, arXiv:1805.02867.
#pragma once

#include <cstdint>

#include "instructions/instruction.h"

namespace amk::instructions {

/// Query heads that one task may have: what RangeList has room for beside six reads and the output.
inline constexpr uint32_t kAttentionGroupMax = 128;
static_assert(RangeList::kCapacity >= kAttentionGroupMax + 7);

/// Positions [begin, end) of a split when positions [0, position] are filled; both ends may be equal.
struct PositionSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
};
[[nodiscard]] constexpr PositionSpan split_positions(uint32_t position, uint32_t kv_block, uint32_t split,
                                                     uint32_t splits) {
  const uint64_t n = uint64_t{position} + 1;
  const uint64_t blocks = (n + kv_block - 1) / kv_block;
  const uint64_t begin = blocks * split / splits * kv_block;
  const uint64_t end = blocks * (uint64_t{split} + 1) / splits * kv_block;
  return {begin < n ? begin : n, end < n ? end : n};
}

template <>
Problem contract_of<abi::Opcode::kAttention>(const abi::AttentionParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kAttention>(const abi::AttentionParams& params, std::span<const CpuOperand> operands,
                                         CpuWorkspace& workspace);

template <>
Problem contract_of<abi::Opcode::kAttentionCombine>(const abi::AttentionParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kAttentionCombine>(const abi::AttentionParams& params,
                                                std::span<const CpuOperand> operands, CpuWorkspace& workspace);

}  // namespace amk::instructions
