// Device body of KvAppend, and access to the caches (kv_append.h).
#pragma once

#include "instructions/device/activations.cuh"
#include "instructions/device/formats.cuh"

namespace amk::device {

/// Bytes of an element of this build's caches.
inline constexpr uint32_t kKvBytes = build::kKvDtype == abi::Dtype::kF32 ? 4 : 2;

/// Element i of a head's row at a position, of a cache [heads, context, head_dim].
__device__ __forceinline__ unsigned char* cache_element(uint64_t cache, uint32_t context, uint32_t head,
                                                        uint32_t position, uint32_t head_dim, uint32_t i) {
  const uint64_t row = static_cast<uint64_t>(head) * context + position;
  return reinterpret_cast<unsigned char*>(cache) + (row * head_dim + i) * kKvBytes;
}
__device__ __forceinline__ void store_cache(unsigned char* at, float value) {
  if constexpr (build::kKvDtype == abi::Dtype::kF32) {
    *reinterpret_cast<float*>(at) = value;
  } else if constexpr (build::kKvDtype == abi::Dtype::kF16) {
    *reinterpret_cast<uint16_t*>(at) = narrow_f16(value);
  } else {
    *reinterpret_cast<uint16_t*>(at) = narrow_bf16(value);
  }
}

__device__ __forceinline__ void run_kv_append(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kKvAppend;
  const auto& params = params_of<abi::KvAppendParams>(task);
  const Activation k(block, task.operand[operand_at(kOp, "k")]);
  const Activation v(block, task.operand[operand_at(kOp, "v")]);
  for (uint32_t i = block.thread; i < params.head_dim; i += kWarps * 32) {
    const uint32_t from = params.kv_head * params.head_dim + i;
    store_cache(cache_element(task.operand[operand_at(kOp, "k_cache")], task.context, params.kv_head, block.turn.position,
                              params.head_dim, i),
                k.load(from));
    store_cache(cache_element(task.operand[operand_at(kOp, "v_cache")], task.context, params.kv_head, block.turn.position,
                              params.head_dim, i),
                v.load(from));
  }
}

}  // namespace amk::device
