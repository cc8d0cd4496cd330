// QkvRopeAppend and NormQkvRopeAppend: a tile of the query, key and value projections of x (of rmsnorm(x, norm, eps),
// as RmsNorm computes it), queries and keys rotated, keys and values written to the cache at the current position.
//
// Rows are counted as rotary pairs through [q heads; k heads; v heads], half = head_dim/2 pairs a head. Pair p is pair
// i = p % half of head p / half; of the matrix that head belongs to it is the rows lo = h * head_dim + i and
// hi = lo + half, h counted within the matrix. A task has the pairs [pair_begin, pair_begin + pair_count), which may
// span parts of several heads and of all three matrices.
//
//   a = weight[lo, :] . x, b = weight[hi, :] . x
//   q, k: (a, b) <- (a * cos - b * sin, b * cos + a * sin) with the angle of pair i, as Rope computes it; v: unchanged
//   q: q[lo] = a, q[hi] = b
//   k: k_cache[h, position, i] = a, k_cache[h, position, half + i] = b; v likewise
//
// position u32[1], below context; q_weight [q_heads x head_dim, k], k_weight and v_weight [kv_heads x head_dim, k],
// each f32, f16, bf16 or quantised on its own account; x f32[k]; norm [k]; inv_freq f32[head_dim/2]; q f32[q_heads x
// head_dim]; caches [kv_heads, context, head_dim], both f32, f16 or bf16: rounded to nearest even as
// they are written. Sums as in gemv.h.
//
// Reads position, x, norm and inv_freq whole and the tile's rows of each matrix. Writes the same rows of q, and of the
// current row image of the caches. Of each tensor these are at most three ranges: the low rows, and the whole heads
// joined with the parts of heads beside them, ascending.
// Source: transformers models/llama/modeling_llama.py, LlamaAttention.forward and apply_rotary_pos_emb.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kQkvRopeAppend>(const abi::QkvParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kNormQkvRopeAppend>(const abi::NormQkvParams& params, Shapes shapes, RangeList& out);

template <>
void run_cpu_of<abi::Opcode::kQkvRopeAppend>(const abi::QkvParams& params, std::span<const CpuOperand> operands,
                                             CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kNormQkvRopeAppend>(const abi::NormQkvParams& params, std::span<const CpuOperand> operands,
                                                 CpuWorkspace& workspace);

/// Pairs [begin, end) of one of the three matrices, counted within it; empty where the tile has none of it.
struct PairSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// The part of the tile [pair_begin, pair_begin + pair_count) that lies in the `count` pairs from `first` on.
[[nodiscard]] constexpr PairSpan pairs_within(uint64_t pair_begin, uint64_t pair_count, uint64_t first,
                                              uint64_t count) {
  const uint64_t begin = pair_begin > first ? pair_begin : first;
  const uint64_t tile_end = pair_begin + pair_count;
  const uint64_t end = tile_end < first + count ? tile_end : first + count;
  return begin < end ? PairSpan{begin - first, end - first} : PairSpan{};
}

}  // namespace amk::instructions
