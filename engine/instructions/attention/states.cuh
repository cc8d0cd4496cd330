// States of a running softmax in shared memory, and how attention joins them: its warps' own and other splits'.
#pragma once

#include "instructions/combine/combine.cuh"

namespace amk::device::attention {

inline constexpr uint32_t kHeadDim = build::kHeadDim;
inline constexpr uint32_t kHeads = heads_at_once(kWarps, build::kGroup);

/// A state in memory: of each head its values, not yet divided by the sum, the maximum, the sum.
inline constexpr uint32_t kStatePitch = kHeadDim + 2;
inline constexpr uint32_t kStateFloats = kHeads * kStatePitch;
/// Queries, then this pass's key and value, stand before the states.
inline constexpr uint32_t kInputFloats = (kHeads + 2) * kHeadDim;
/// States that the activation area has room for.
inline constexpr uint32_t kStatesMax = (build::kActivationBytes / 4 - kInputFloats) / kStateFloats;

/// exp(a - b), 0 where nothing has been counted yet (a = -inf).
__device__ __forceinline__ float weight(float a, float b) { return a == -kInfinity ? 0.0F : __expf(a - b); }

/// States in shared memory of which each has some of the positions, and that are to be joined.
struct States {
  float* first;  ///< [count][kHeads][kStatePitch]
  uint32_t count;

  /// Where state `s` stands, or will stand.
  __device__ __forceinline__ float* place(uint32_t s) const { return first + s * kStateFloats; }
};

/// Two elements of a head's joined state; elements head_dim and head_dim + 1 are its maximum and its sum.
struct Joined {
  float2 pair = make_float2(0.0F, 0.0F);
  float top = -kInfinity;
  float sum = 0;
};
__device__ __forceinline__ Joined joined_pair(const States& states, uint32_t h, uint32_t i) {
  const float* head = states.first + h * kStatePitch;
  Joined joined;
#pragma unroll 2
  for (uint32_t s = 0; s < states.count; ++s) joined.top = fmaxf(joined.top, head[s * kStateFloats + kHeadDim]);
#pragma unroll 2
  for (uint32_t s = 0; s < states.count; ++s) {
    const float* state = head + s * kStateFloats;
    const float share = weight(state[kHeadDim], joined.top);
    const float2 pair = *reinterpret_cast<const float2*>(state + i);
    joined.pair.x += share * pair.x;
    joined.pair.y += share * pair.y;
    joined.sum += share * state[kHeadDim + 1];
  }
  if (i == kHeadDim) joined.pair = make_float2(joined.top, joined.sum);
  return joined;
}

/// Calls body(h, i, joined) for elements i = 0, 2, ... of the joined state of each head.
template <typename Body>
__device__ __forceinline__ void for_joined(const Block& block, const States& states, uint32_t heads, Body&& body) {
#pragma unroll 1
  for (uint32_t pair = block.thread; pair < heads * kStatePitch / 2; pair += kWarps * 32) {
    const uint32_t h = pair / (kStatePitch / 2), i = pair % (kStatePitch / 2) * 2;
    body(h, i, joined_pair(states, h, i));
  }
}

/// Joins all states into the first.
__device__ __forceinline__ void collapse(const Block& block, uint32_t heads, States& states) {
  float* spare = states.place(kStatesMax - 1);
  for_joined(block, states, heads, [&](uint32_t h, uint32_t i, const Joined& joined) {
    *reinterpret_cast<float2*>(spare + h * kStatePitch + i) = joined.pair;
  });
  consumer_barrier();
#pragma unroll 1
  for (uint32_t i = block.thread; i < heads * kStatePitch; i += kWarps * 32) states.first[i] = spare[i];
  states.count = 1;
  consumer_barrier();  // what is staged next may take the spare's place
}

/// Stages the partials of `count` splits from the j-th that has positions on behind the states there are.
__device__ __forceinline__ void stage_splits(const Block& block, const Activation& values, const Partials& partials,
                                             uint32_t head, uint32_t heads, uint32_t j, uint32_t count,
                                             States& states) {
  constexpr uint32_t kAhead = build::knob::attention_splits_ahead;  // pairs under way together
  constexpr uint32_t kPairs = kStateFloats / 2;
  float* to = states.place(states.count);
#pragma unroll 1
  for (uint32_t first = block.thread; first < count * kPairs; first += kAhead * kWarps * 32) {
    LoadedPair loaded[kAhead];
    uint32_t from[kAhead];
#pragma unroll
    for (uint32_t a = 0; a < kAhead; ++a) {
      const uint32_t pair = first + a * kWarps * 32;
      const uint32_t h = pair % kPairs / (kStatePitch / 2), i = pair % (kStatePitch / 2) * 2;
      from[a] =
          pair < count * kPairs && h < heads ? partials.place(head + h, j + pair / kPairs) + i : Activation::kNowhere;
      if (from[a] != Activation::kNowhere) loaded[a] = values.fetch(from[a]);
    }
    values.await_all(loaded, from);
#pragma unroll
    for (uint32_t a = 0; a < kAhead; ++a) {
      if (from[a] != Activation::kNowhere)
        reinterpret_cast<float2*>(to)[first + a * kWarps * 32] = values.values(loaded[a]);
    }
  }
  states.count += count;
}

/// Adds the partials of the other splits, as many at a time as there is room for.
__device__ __forceinline__ void add_splits(const Block& block, const TaskRecord& task, uint32_t head, uint32_t heads,
                                           States& states) {
  constexpr uint32_t kRoom = kStatesMax - 1;  // collapse() needs one
  const Activation values(block, task.operand[operand_at(abi::Opcode::kAttentionCombine, "partials")]);
  const Partials partials(block, values, params_of<abi::AttentionParams>(task).splits, task.sparse_kv_block);
  const uint32_t others = partials.used() - 1;
#pragma unroll 1
  for (uint32_t j = 0; j < others;) {
    if (states.count > 1 && states.count + others - j > kRoom) collapse(block, heads, states);
    const uint32_t count = min(others - j, kRoom - states.count);
    stage_splits(block, values, partials, head, heads, j, count, states);
    j += count;
    consumer_barrier();
  }
}

}  // namespace amk::device::attention
