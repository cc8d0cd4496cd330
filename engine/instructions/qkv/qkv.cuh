// Device bodies of QkvRopeAppend and NormQkvRopeAppend (qkv.h).
#pragma once

#include "instructions/device/product.cuh"
#include "instructions/kv_append/kv_append.cuh"
#include "instructions/rope/rope.cuh"

namespace amk::device {

/// Rotates and stores the pairs of a tile. The matrix is packed by pairs: of tile t, rows 0 to 3 are the low rows of
/// the pairs from 4t on through [q; k; v], rows 4 to 7 their high rows.
struct RotateAndAppend {
  Activation q;
  uint64_t k_cache;
  uint64_t v_cache;
  const float* inv_freq;
  uint32_t context;
  uint32_t pair_begin, pair_end;
  uint32_t half;  ///< pairs a head
  uint32_t q_heads, kv_heads;
  DeviceRotation turn;

  __device__ __forceinline__ void prepare(const Block& block, uint32_t tile) {
    const uint32_t head = pair_of(block, tile) / half;
    turn = {1.0F, 0.0F};
    if (head < q_heads + kv_heads) {
      turn = rotation(__ldg(inv_freq + (pair_of(block, tile) - head * half)), block.turn.position);
    }
  }
  __device__ __forceinline__ void finish(const Block& block, uint32_t tile, float sum) const {
    const float other = __shfl_xor_sync(kAllLanes, sum, 4);
    const bool high = (block.lane & 4U) != 0;
    const float value = sum * turn.cos + (high ? other : -other) * turn.sin;
    const uint32_t pair = pair_of(block, tile);
    if (block.lane >= kTileRows || pair < pair_begin || pair >= pair_end) return;
    const uint32_t head = pair / half;
    const uint32_t i = pair - head * half + (high ? half : 0);
    if (head < q_heads) {
      q.store(head * 2 * half + i, value);
    } else if (head < q_heads + kv_heads) {
      store_cache(cache_element(k_cache, context, head - q_heads, block.turn.position, 2 * half, i), value);
    } else {
      store_cache(cache_element(v_cache, context, head - q_heads - kv_heads, block.turn.position, 2 * half, i), value);
    }
  }

 private:
  __device__ static __forceinline__ uint32_t pair_of(const Block& block, uint32_t tile) {
    return tile * (kTileRows / 2) + (block.lane & 3U);
  }
};

template <abi::Opcode kOp, WeightFormat kFormat>
__device__ __forceinline__ void run_qkv(Block& block, Progress& at, const TaskRecord& task, uint32_t place) {
  using Used = ProductOf<kFormat>;
  constexpr bool kNormed = kOp == abi::Opcode::kNormQkvRopeAppend;
  // The two records agree but for eps, which stands last.
  const auto& params = params_of<abi::QkvParams>(task);
  RotateAndAppend rows{Activation(block, task.operand[operand_at(kOp, "q")]),
                       task.operand[operand_at(kOp, "k_cache")],
                       task.operand[operand_at(kOp, "v_cache")],
                       reinterpret_cast<const float*>(task.operand[operand_at(kOp, "inv_freq")]),
                       task.context,
                       params.pair_begin,
                       params.pair_begin + params.pair_count,
                       params.head_dim / 2,
                       params.q_heads,
                       params.kv_heads,
                       {1.0F, 0.0F}};
  const Activation x(block, task.operand[operand_at(kOp, "x")]);
  if constexpr (kNormed) {
    const NormInput input{x, reinterpret_cast<const float*>(task.operand[operand_at(kOp, "norm")])};
    run_product<Used>(block, at, task, input, rows, params_of<abi::NormQkvParams>(task).eps, place);
  } else {
    const VectorInput input{x};
    run_product<Used>(block, at, task, input, rows, 0.0F, place);
  }
}

}  // namespace amk::device
