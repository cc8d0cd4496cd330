// Device bodies of QkvRopeAppend and NormQkvRopeAppend (qkv.h): rotating and storing the pairs of a tile.
//
// The matrix is packed by pairs: of tile t, rows 0 to 3 are the low rows of the pairs from 4t on through [q; k; v],
// rows 4 to 7 their high rows.
#pragma once

#include "instructions/device/product.cuh"
#include "instructions/kv_append/kv_append.cuh"
#include "instructions/rope/rope.cuh"

namespace amk::device {

__device__ __forceinline__ uint32_t pair_of_lane(const Block& block, uint32_t tile) {
  return tile * (kTileRows / 2) + (block.lane & 3U);
}

/// The rotation of this lane's pair; none for values.
template <abi::Opcode kOp>
__device__ __forceinline__ DeviceRotation rotation_of_pair(const Block& block, const TaskRecord& task, uint32_t tile) {
  // The two records agree but for eps, which stands last.
  const auto& params = params_of<abi::QkvParams>(task);
  constexpr uint32_t kHalf = build::kHeadDim / 2;
  const uint32_t pair = pair_of_lane(block, tile), head = pair / kHalf;
  if (head >= params.q_heads + params.kv_heads) return {1.0F, 0.0F};
  const auto* inv_freq = reinterpret_cast<const float*>(task.operand[operand_at(kOp, "inv_freq")]);
  return rotation(__ldg(inv_freq + (pair - head * kHalf)), block.turn.position);
}

template <abi::Opcode kOp>
__device__ __forceinline__ void rotate_and_append(const Block& block, const TaskRecord& task, uint32_t tile, float sum,
                                                  const DeviceRotation& turn) {
  const auto& params = params_of<abi::QkvParams>(task);
  const float other = __shfl_xor_sync(kAllLanes, sum, 4);
  const bool high = (block.lane & 4U) != 0;
  const float value = sum * turn.cos + (high ? other : -other) * turn.sin;
  const uint32_t pair = pair_of_lane(block, tile);
  if (block.lane >= kTileRows || pair - params.pair_begin >= params.pair_count) return;
  constexpr uint32_t kHalf = build::kHeadDim / 2;
  const uint32_t head = pair / kHalf;
  const uint32_t i = pair - head * kHalf + (high ? kHalf : 0);
  if (head < params.q_heads) {
    Activation(block, task.operand[operand_at(kOp, "q")]).store(head * build::kHeadDim + i, value);
    return;
  }
  const bool key = head < params.q_heads + params.kv_heads;
  const uint64_t cache = task.operand[key ? operand_at(kOp, "k_cache") : operand_at(kOp, "v_cache")];
  const uint32_t kv_head = head - params.q_heads - (key ? 0 : params.kv_heads);
  append(block, task, cache, key ? task.current_k : task.current_v, kv_head, build::kHeadDim, i, value);
}

}  // namespace amk::device
