#include <algorithm>

#include "instructions/cpu_operands.h"
#include "instructions/qkv/qkv.h"

namespace amk::instructions {

namespace {

/// What the three parts of a tile have in common.
struct Projection {
  const float* x;
  size_t k_chunk;
  size_t head_dim;
  const float* inv_freq;  ///< null where rows are not rotated
  uint32_t position;
};

/// Where a head's rows go: elements of a float type, the pairs' first at `data`, their second half a head later.
struct HeadOut {
  abi::Dtype dtype;
  std::byte* data;

  void store(size_t i, const float* values, size_t count) const {
    store_rounded(dtype, values, count, data + i * abi::dtype_bytes(dtype));
  }
};

/// Pairs [i_begin, i_end) of one head, rows of `weight` counted from the head's first: out[i] and out[half + i].
void project_head(const Projection& with, const MatrixView& weight, size_t head, size_t i_begin, size_t i_end,
                  const HeadOut& out, CpuWorkspace& workspace) {
  const size_t half = with.head_dim / 2;
  const size_t count = i_end - i_begin;
  float* lo = grown(workspace.results, 2 * count);
  float* hi = lo + count;
  dot_rows(weight, head * with.head_dim + i_begin, count, with.k_chunk, with.x, lo);
  dot_rows(weight, head * with.head_dim + half + i_begin, count, with.k_chunk, with.x, hi);
  for (size_t n = 0; n < count && with.inv_freq != nullptr; ++n) {
    const Rotation turn = rotation(with.inv_freq[i_begin + n], with.position);
    const float first = lo[n], second = hi[n];
    lo[n] = first * turn.cos - second * turn.sin;
    hi[n] = second * turn.cos + first * turn.sin;
  }
  out.store(i_begin, lo, count);
  out.store(half + i_begin, hi, count);
}

/// Calls body(head, i_begin, i_end) for the part that each head has in `pairs`.
template <typename Body>
void for_each_head(PairSpan pairs, size_t half, const Body& body) {
  for (uint64_t at = pairs.begin; at < pairs.end;) {
    const uint64_t head = at / half;
    const uint64_t end = std::min(pairs.end, (head + 1) * half);
    body(head, at - head * half, end - head * half);
    at = end;
  }
}

template <abi::Opcode kOp>
void run_qkv(const RecordOf<kOp>& params, Operands operands, const float* x, CpuWorkspace& workspace) {
  const size_t head_dim = params.head_dim;
  const size_t half = head_dim / 2;
  const size_t q_pairs = params.q_heads * half;
  const size_t kv_pairs = params.kv_heads * half;
  const auto part = [&](size_t first, size_t count) {
    return pairs_within(params.pair_begin, params.pair_count, first, count);
  };
  const Projection rotated = {x, params.k_chunk, head_dim, floats(operands[operand_index<kOp>("inv_freq")]),
                              *indices(operands[operand_index<kOp>("position")])};
  Projection plain = rotated;
  plain.inv_freq = nullptr;

  const MatrixView q_weight = matrix(operands[operand_index<kOp>("q_weight")]);
  float* q = floats(operands[operand_index<kOp>("q")]);
  for_each_head(part(0, q_pairs), half, [&](size_t head, size_t begin, size_t end) {
    project_head(rotated, q_weight, head, begin, end,
                 {abi::Dtype::kF32, reinterpret_cast<std::byte*>(q + head * head_dim)}, workspace);
  });
  const MatrixView k_weight = matrix(operands[operand_index<kOp>("k_weight")]);
  const CpuOperand& k_cache = operands[operand_index<kOp>("k_cache")];
  for_each_head(part(q_pairs, kv_pairs), half, [&](size_t head, size_t begin, size_t end) {
    project_head(rotated, k_weight, head, begin, end, {k_cache.shape->dtype, cache_at(k_cache, head, rotated.position)},
                 workspace);
  });
  const MatrixView v_weight = matrix(operands[operand_index<kOp>("v_weight")]);
  const CpuOperand& v_cache = operands[operand_index<kOp>("v_cache")];
  for_each_head(part(q_pairs + kv_pairs, kv_pairs), half, [&](size_t head, size_t begin, size_t end) {
    project_head(plain, v_weight, head, begin, end, {v_cache.shape->dtype, cache_at(v_cache, head, rotated.position)},
                 workspace);
  });
}

}  // namespace

template <>
void run_cpu_of<abi::Opcode::kQkvRopeAppend>(const abi::QkvParams& params, Operands operands, CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kQkvRopeAppend;
  run_qkv<kOp>(params, operands, floats(operands[operand_index<kOp>("x")]), workspace);
}

template <>
void run_cpu_of<abi::Opcode::kNormQkvRopeAppend>(const abi::NormQkvParams& params, Operands operands,
                                                 CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kNormQkvRopeAppend;
  const float* x = normalised(operands[operand_index<kOp>("x")], operands[operand_index<kOp>("norm")], params.k,
                              params.eps, workspace);
  run_qkv<kOp>(params, operands, x, workspace);
}

}  // namespace amk::instructions
