// Which rows of the caches an attention task streams through the ring, and how they lie in a stage.
//
// A stage has keys of up to kStagePositions positions, and their values from kValuesAt on. Producer and consumers
// derive the same stages from the task and the position.
#pragma once

#include "instructions/kv_append/kv_append.cuh"

namespace amk::device {

constexpr bool attends(abi::Opcode opcode) {
  return opcode == abi::Opcode::kAttention || opcode == abi::Opcode::kAttentionCombine;
}
inline constexpr bool kAttends = build::uses(abi::Opcode::kAttention) || build::uses(abi::Opcode::kAttentionCombine);

/// Positions [begin, end) of a split (split_positions() of attention.h); the host has seen that blocks x splits fits.
__device__ __forceinline__ void positions_of(uint32_t position, uint32_t kv_block, uint32_t split, uint32_t splits,
                                             uint32_t& begin, uint32_t& end) {
  const uint32_t count = position + 1;
  const uint32_t blocks = position / kv_block + 1;
  begin = min(blocks * split / splits * kv_block, count);
  end = min(blocks * (split + 1) / splits * kv_block, count);
}

class CacheStream {
 public:
  static constexpr uint32_t kRowBytes = build::kHeadDim * kKvBytes;
  static constexpr uint32_t kStagePositions = build::kStageBytes / (2 * kRowBytes) / kCachePositions * kCachePositions;
  static constexpr uint32_t kValuesAt = kStagePositions * kRowBytes;
  static_assert(!kAttends || kStagePositions > 0, "the host sizes stages for it");

  /// Of a task of Attention or AttentionCombine, at a pass's position.
  __device__ CacheStream(const TaskRecord& task, uint32_t position)
      : task_(task), params_(params_of<abi::AttentionParams>(task)) {
    positions_of(position, params_.kv_block, params_.split, params_.splits, begin_, end_);
    has_row_ = end_ == position + 1 && end_ > begin_;
    if (has_row_) --end_;
  }

  /// Positions of the split before this pass's: those that the ring brings.
  __device__ __forceinline__ uint32_t begin() const { return begin_; }
  __device__ __forceinline__ uint32_t end() const { return end_; }
  /// Whether the split has this pass's row besides; that does not come through the ring.
  __device__ __forceinline__ bool has_row() const { return has_row_; }
  /// How often they come: once for all the heads that are handled at once.
  __device__ __forceinline__ uint32_t rounds() const {
    constexpr uint32_t kHeads = heads_at_once(build::kWarps, build::kGroup);
    return begin_ == end_ ? 0 : (params_.group + kHeads - 1) / kHeads;
  }

  /// Bytes of the keys. The last piece of 16 bytes may hold what lies behind the last position; nobody looks at it.
  __device__ __forceinline__ uint32_t bytes() const { return ((end_ - begin_) * kRowBytes + 15) / 16 * 16; }
  __device__ __forceinline__ const unsigned char* keys(uint32_t position) const { return row(kKeys, position); }
  __device__ __forceinline__ const unsigned char* values(uint32_t position) const { return row(kValues, position); }

 private:
  // Both instructions have the caches at the same places.
  static constexpr uint32_t kKeys = operand_at(abi::Opcode::kAttention, "k_cache");
  static constexpr uint32_t kValues = operand_at(abi::Opcode::kAttention, "v_cache");
  static_assert(kKeys == operand_at(abi::Opcode::kAttentionCombine, "k_cache") &&
                kValues == operand_at(abi::Opcode::kAttentionCombine, "v_cache"));

  __device__ __forceinline__ const unsigned char* row(uint32_t cache, uint32_t position) const {
    return cache_element(task_.operand[cache], task_.context, params_.kv_head, position, build::kHeadDim, 0);
  }

  const TaskRecord& task_;
  const abi::AttentionParams& params_;
  uint32_t begin_, end_;
  bool has_row_;
};

}  // namespace amk::device
