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
/// An element that this pass may have written, behind the edge to its writer.
__device__ __forceinline__ float load_cache(const unsigned char* at) {
  if constexpr (build::kKvDtype == abi::Dtype::kF32) return load_l2(reinterpret_cast<const float*>(at));
  const uint16_t bits = load_l2(reinterpret_cast<const uint16_t*>(at));
  if constexpr (build::kKvDtype == abi::Dtype::kF16) return widen_f16(bits);
  return __uint_as_float(static_cast<uint32_t>(bits) << 16);
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

/// What a cache keeps of a value.
__device__ __forceinline__ float as_cached(float value) {
  if constexpr (build::kKvDtype == abi::Dtype::kF32) return value;
  if constexpr (build::kKvDtype == abi::Dtype::kF16) return widen_f16(narrow_f16(value));
  return __uint_as_float(static_cast<uint32_t>(narrow_bf16(value)) << 16);
}

/// Writes element i of a head's row at this pass's position; under the packet protocol also as a packet, which is how
/// this pass's attention reads it.
__device__ __forceinline__ void append(const Block& block, const TaskRecord& task, uint64_t cache, uint64_t current,
                                       uint32_t head, uint32_t head_dim, uint32_t i, float value) {
  if constexpr (kPackets) Activation(block, current).store(head * head_dim + i, as_cached(value));
  store_cache(cache_element(cache, task.context, head, block.turn.position, head_dim, i), value);
}

__device__ __forceinline__ void run_kv_append(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kKvAppend;
  const auto& params = params_of<abi::KvAppendParams>(task);
  const Activation k(block, task.operand[operand_at(kOp, "k")]);
  const Activation v(block, task.operand[operand_at(kOp, "v")]);
  for (uint32_t i = block.thread; i < params.head_dim; i += kWarps * 32) {
    const uint32_t from = params.kv_head * params.head_dim + i;
    append(block, task, task.operand[operand_at(kOp, "k_cache")], task.current_k, params.kv_head, params.head_dim, i,
           k.load(from));
    append(block, task, task.operand[operand_at(kOp, "v_cache")], task.current_v, params.kv_head, params.head_dim, i,
           v.load(from));
  }
}

}  // namespace amk::device
