// Device body of Attention and AttentionCombine (attention.h).
//
// A position's key is read by a group of lanes, 16 bytes (or what divides the head) each; a warp has several such
// groups, and every group of every warp keeps a running softmax of its own over the positions it takes. They are joined
// at the end.
#pragma once

#include "instructions/combine/combine.cuh"
#include "instructions/kv_append/kv_append.cuh"

namespace amk::device {

namespace attention {

inline constexpr uint32_t kHeadDim = build::kHeadDim;
/// Elements of a key that a lane holds: 8, or the most that divides the head.
inline constexpr uint32_t kVector = kHeadDim % 8 == 0 ? 8 : kHeadDim % 4 == 0 ? 4 : 2;
inline constexpr uint32_t kVectors = kHeadDim / kVector;
constexpr uint32_t lanes_of(uint32_t vectors) {
  uint32_t lanes = 1;
  while (lanes < vectors && lanes < 32) lanes *= 2;
  return lanes;
}
inline constexpr uint32_t kLanes = lanes_of(kVectors);  ///< lanes a position
inline constexpr uint32_t kPositions = 32 / kLanes;     ///< positions that a warp takes at once
inline constexpr uint32_t kPerLane = (kVectors + kLanes - 1) / kLanes;
inline constexpr uint32_t kHeads = build::kGroup < kHeadsAtOnce ? build::kGroup : kHeadsAtOnce;
/// Rounds whose loads are under way together: 64 bytes a lane.
inline constexpr uint32_t kUnroll = kPerLane == 1 && kKvBytes == 2 ? 2 : 1;
inline constexpr uint32_t kWords = kVector * kKvBytes / 4;  ///< of a lane's part of a row

/// A lane's part of a row, as stored.
struct Raw {
  uint32_t word[kWords];
};
__device__ __forceinline__ Raw load_raw(const unsigned char* at) {
  Raw raw;
  if constexpr (kWords % 4 == 0) {
#pragma unroll
    for (uint32_t i = 0; i < kWords; i += 4) {
      const uint4 v = load_l2(reinterpret_cast<const uint4*>(at) + i / 4);
      raw.word[i] = v.x, raw.word[i + 1] = v.y, raw.word[i + 2] = v.z, raw.word[i + 3] = v.w;
    }
  } else {
#pragma unroll
    for (uint32_t i = 0; i < kWords; ++i) raw.word[i] = load_l2(reinterpret_cast<const uint32_t*>(at) + i);
  }
  return raw;
}
__device__ __forceinline__ float widened(const Raw& raw, uint32_t i) {
  if constexpr (build::kKvDtype == abi::Dtype::kF32) return __uint_as_float(raw.word[i]);
  const uint32_t word = raw.word[i / 2];
  if constexpr (build::kKvDtype == abi::Dtype::kF16) return i % 2 == 0 ? low_f16(word) : high_f16(word);
  return i % 2 == 0 ? low_bf16(word) : high_bf16(word);
}

/// A state in memory: of each head its values, not yet divided by the sum, the maximum, the sum.
inline constexpr uint32_t kStatePitch = kHeadDim + 2;
inline constexpr uint32_t kStateFloats = kHeads * kStatePitch;
/// Queries, then this pass's key and value, stand before the states.
inline constexpr uint32_t kInputFloats = (kHeads + 2) * kHeadDim;
/// States that the activation area has room for.
inline constexpr uint32_t kStatesMax = (build::kActivationBytes / 4 - kInputFloats) / kStateFloats;

/// Running softmax of kHeads heads over the positions that a group of lanes has taken.
struct Running {
  float top[kHeads];
  float sum[kHeads];
  float value[kHeads][kPerLane][kVector];
};

/// exp(a - b), 0 where nothing has been counted yet (a = -inf).
__device__ __forceinline__ float weight(float a, float b) { return a == -kInfinity ? 0.0F : __expf(a - b); }

__device__ __forceinline__ void clear(Running& running) {
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    running.top[h] = -kInfinity;
    running.sum[h] = 0;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] = 0;
    }
  }
}

/// Joins the states of the warp's lane groups; every group then has the warp's.
__device__ __forceinline__ void join_warp(Running& running) {
#pragma unroll
  for (uint32_t offset = kLanes; offset < 32; offset *= 2) {
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      const float other_top = __shfl_xor_sync(kAllLanes, running.top[h], offset);
      const float other_sum = __shfl_xor_sync(kAllLanes, running.sum[h], offset);
      const float top = fmaxf(running.top[h], other_top);
      const float mine = weight(running.top[h], top), theirs = weight(other_top, top);
      running.sum[h] = running.sum[h] * mine + other_sum * theirs;
      running.top[h] = top;
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
        for (uint32_t i = 0; i < kVector; ++i) {
          const float other = __shfl_xor_sync(kAllLanes, running.value[h][v][i], offset);
          running.value[h][v][i] = running.value[h][v][i] * mine + other * theirs;
        }
      }
    }
  }
}

/// Keys and values of a few rounds of positions, as loaded.
struct Loaded {
  Raw key[kUnroll][kPerLane];
  Raw value[kUnroll][kPerLane];
};

/// Positions that a warp takes at once, and how far its next are.
inline constexpr uint32_t kStep = kWarps * kPositions;

__device__ __forceinline__ uint32_t column_of(const Block& block, uint32_t v) {
  return (v * kLanes + block.lane % kLanes) * kVector;
}

/// Asks for the rounds from `first` on; `first` is this warp's first position.
__device__ __forceinline__ void load_rounds(const Block& block, const unsigned char* keys, const unsigned char* values,
                                            uint32_t first, uint32_t end, Loaded& loaded) {
#pragma unroll
  for (uint32_t u = 0; u < kUnroll; ++u) {
    const uint32_t position = first + u * kStep + block.lane / kLanes;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
      if (position >= end || column_of(block, v) >= kHeadDim) continue;
      const uint64_t at = (static_cast<uint64_t>(position) * kHeadDim + column_of(block, v)) * kKvBytes;
      loaded.key[u][v] = load_raw(keys + at);
      loaded.value[u][v] = load_raw(values + at);
    }
  }
}

/// Adds rounds of positions to the running softmax. `q` is [kHeads][head_dim] in shared memory, scaled. `key(u, v, i)`
/// and `value(u, v, i)` are element i of this lane's v-th part of round u's row; `there(u)` says whether the group has
/// one.
template <uint32_t kRounds, typename Key, typename Value, typename There>
__device__ __forceinline__ void add_rounds(const Block& block, const float* q, Running& running, Key&& key,
                                           Value&& value, There&& there) {
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    float score[kRounds] = {};
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
      if (column_of(block, v) >= kHeadDim) continue;
      const float* row = q + h * kHeadDim + column_of(block, v);
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) {
        const float factor = row[i];
#pragma unroll
        for (uint32_t u = 0; u < kRounds; ++u) score[u] += factor * key(u, v, i);
      }
    }
    float top = running.top[h];
#pragma unroll
    for (uint32_t u = 0; u < kRounds; ++u) {
#pragma unroll
      for (uint32_t offset = 1; offset < kLanes; offset *= 2) {
        score[u] += __shfl_xor_sync(kAllLanes, score[u], offset);
      }
      if (!there(u)) score[u] = -kInfinity;
      top = fmaxf(top, score[u]);
    }
    const float old = weight(running.top[h], top);
    running.sum[h] *= old;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] *= old;
    }
#pragma unroll
    for (uint32_t u = 0; u < kRounds; ++u) {
      if (!there(u)) continue;
      const float share = __expf(score[u] - top);
      running.sum[h] += share;
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
        if (column_of(block, v) >= kHeadDim) continue;
#pragma unroll
        for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] += share * value(u, v, i);
      }
    }
    running.top[h] = top;
  }
}

/// Leaves the warp's state in shared memory.
__device__ __forceinline__ void leave(const Block& block, const Running& running, float* joined) {
  if (block.lane >= kLanes) return;
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    float* out = joined + block.warp * kStateFloats + h * kStatePitch;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
      if (column_of(block, v) >= kHeadDim) continue;
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) out[column_of(block, v) + i] = running.value[h][v][i];
    }
    if (block.lane == 0) {
      out[kHeadDim] = running.top[h];
      out[kHeadDim + 1] = running.sum[h];
    }
  }
}

/// States in shared memory of which each has some of the positions, and that are to be joined.
struct States {
  float* first;  ///< [count][kHeads][kStatePitch]
  uint32_t count;
};

/// Two values of a head, joined.
struct Joined {
  float2 value = make_float2(0.0F, 0.0F);
  float top = -kInfinity;
  float sum = 0;
};
__device__ __forceinline__ Joined joined_pair(const States& states, uint32_t h, uint32_t i) {
  const float* head = states.first + h * kStatePitch;
  Joined joined;
  for (uint32_t s = 0; s < states.count; ++s) joined.top = fmaxf(joined.top, head[s * kStateFloats + kHeadDim]);
  for (uint32_t s = 0; s < states.count; ++s) {
    const float* state = head + s * kStateFloats;
    const float share = weight(state[kHeadDim], joined.top);
    const float2 value = *reinterpret_cast<const float2*>(state + i);
    joined.value.x += share * value.x;
    joined.value.y += share * value.y;
    joined.sum += share * state[kHeadDim + 1];
  }
  return joined;
}

/// Calls body(h, i, values) for the joined state of each head, two elements at a time: i = 0, 2, ... of the values,
/// then maximum and sum at i = head_dim.
template <typename Body>
__device__ __forceinline__ void for_joined(const Block& block, const States& states, uint32_t heads, Body&& body) {
#pragma unroll 1
  for (uint32_t pair = block.thread; pair < heads * kStatePitch / 2; pair += kWarps * 32) {
    const uint32_t h = pair / (kStatePitch / 2), i = pair % (kStatePitch / 2) * 2;
    const Joined joined = joined_pair(states, h, i == kHeadDim ? 0 : i);
    body(h, i, i == kHeadDim ? make_float2(joined.top, joined.sum) : joined.value);
  }
}

/// Calls body(h, i, values) for the attention output of each head, two elements at a time.
template <typename Body>
__device__ __forceinline__ void for_output(const Block& block, const States& states, uint32_t heads, Body&& body) {
#pragma unroll 1
  for (uint32_t pair = block.thread; pair < heads * kHeadDim / 2; pair += kWarps * 32) {
    const uint32_t h = pair / (kHeadDim / 2), i = pair % (kHeadDim / 2) * 2;
    const Joined joined = joined_pair(states, h, i);
    const float scale = __fdividef(1.0F, joined.sum);
    body(h, i, make_float2(joined.value.x * scale, joined.value.y * scale));
  }
}

/// Joins all states into the first.
__device__ __forceinline__ void collapse(const Block& block, uint32_t heads, States& states) {
  float* spare = states.first + (kStatesMax - 1) * kStateFloats;
  const auto at = [](float* state, uint32_t h, uint32_t i) {
    return reinterpret_cast<float2*>(state + h * kStatePitch + i);
  };
  for_joined(block, states, heads, [&](uint32_t h, uint32_t i, float2 value) { *at(spare, h, i) = value; });
  consumer_barrier();
  states.count = 1;
  for_joined(block, states, heads, [&](uint32_t h, uint32_t i, float2) {
    *at(states.first, h, i) = *at(spare, h, i);  // its own: this thread has written it
  });
}

/// Stages the partials of `count` splits from the j-th that has positions on behind the states there are.
__device__ __forceinline__ void stage_splits(const Block& block, const Activation& values, const Partials& partials,
                                             uint32_t head, uint32_t heads, uint32_t j, uint32_t count,
                                             States& states) {
  constexpr uint32_t kAhead = 4;  // pairs under way together
  constexpr uint32_t kPairs = kStateFloats / 2;
  float* to = states.first + states.count * kStateFloats;
  const auto wanted = [&](uint32_t pair) { return pair < count * kPairs && pair % kPairs < heads * kStatePitch / 2; };
  const auto source = [&](uint32_t pair) {
    const uint32_t h = pair % kPairs / (kStatePitch / 2), i = pair % (kStatePitch / 2) * 2;
    return partials.place(head + h, j + pair / kPairs) + i;
  };
#pragma unroll 1
  for (uint32_t first = block.thread; first < count * kPairs; first += kAhead * kWarps * 32) {
    LoadedPair loaded[kAhead];
#pragma unroll
    for (uint32_t a = 0; a < kAhead; ++a) {
      const uint32_t pair = first + a * kWarps * 32;
      if (wanted(pair)) loaded[a] = values.fetch(source(pair));
    }
#pragma unroll
    for (uint32_t a = 0; a < kAhead; ++a) {
      const uint32_t pair = first + a * kWarps * 32;
      if (wanted(pair)) reinterpret_cast<float2*>(to)[pair] = values.arrived(loaded[a], source(pair));
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

}  // namespace attention

/// Positions [begin, end) of a split (split_positions() of attention.h); the host has seen that blocks x splits fits.
__device__ __forceinline__ void positions_of(uint32_t position, uint32_t kv_block, uint32_t split, uint32_t splits,
                                             uint32_t& begin, uint32_t& end) {
  const uint32_t count = position + 1;
  const uint32_t blocks = position / kv_block + 1;
  begin = min(blocks * split / splits * kv_block, count);
  end = min(blocks * (split + 1) / splits * kv_block, count);
}

__device__ __forceinline__ void run_attention(const Block& block, const TaskRecord& task, uint32_t place) {
  constexpr auto kOp = abi::Opcode::kAttention;  // the other has the same operands, but for the last
  const auto& params = params_of<abi::AttentionParams>(task);
  const auto* keys =
      cache_element(task.operand[operand_at(kOp, "k_cache")], task.context, params.kv_head, 0, attention::kHeadDim, 0);
  const auto* values =
      cache_element(task.operand[operand_at(kOp, "v_cache")], task.context, params.kv_head, 0, attention::kHeadDim, 0);
  uint32_t begin, end;
  positions_of(block.turn.position, params.kv_block, params.split, params.splits, begin, end);
  // Nobody reads the partial of a split that nobody expects.
  if (begin == end && task.sparse_kv_block != 0) return;
  // As packets, this pass's row is not read from the cache.
  const bool row_apart = kPackets && end == block.turn.position + 1 && end > begin;
  if (row_apart) --end;

  float* q = reinterpret_cast<float*>(Block::area());
  float* row = q + attention::kHeads * attention::kHeadDim;  // [2][head_dim]: this pass's key and value
  float* joined = row + 2 * attention::kHeadDim;             // the warps' states, then other splits'
  const uint32_t mine = begin + block.warp * attention::kPositions;
  const uint32_t active = max(1U, min(kWarps, (end - begin + attention::kPositions - 1) / attention::kPositions));
#pragma unroll 1
  for (uint32_t first = 0; first < params.group; first += attention::kHeads) {
    const uint32_t heads = min(attention::kHeads, params.group - first);
    const uint32_t head = params.kv_head * params.group + first;
    attention::Loaded loaded;
    attention::load_rounds(block, keys, values, mine, end, loaded);  // on their way while the query comes
    const uint32_t pairs = (attention::kHeads + (row_apart ? 2 : 0)) * attention::kHeadDim / 2;
#pragma unroll 1
    for (uint32_t pair = block.thread; pair < pairs; pair += kWarps * 32) {
      const uint32_t i = 2 * pair;
      float2 value = make_float2(0.0F, 0.0F);
      if (i < heads * attention::kHeadDim) {
        value = Activation(block, task.operand[operand_at(kOp, "q")]).load2(head * attention::kHeadDim + i);
        value = make_float2(value.x * params.scale, value.y * params.scale);
      } else if (i >= attention::kHeads * attention::kHeadDim) {
        const bool is_key = i < (attention::kHeads + 1) * attention::kHeadDim;
        value = Activation(block, is_key ? task.current_k : task.current_v)
                    .load2(params.kv_head * attention::kHeadDim + i % attention::kHeadDim);
      }
      q[i] = value.x;
      q[i + 1] = value.y;
    }
    consumer_barrier();
    stamp(block, &TraceRecord::staged, place);
    if (block.warp < active) {
      attention::Running running;
      attention::clear(running);
      for (uint32_t at = mine; at < end; at += attention::kUnroll * attention::kStep) {
        if (at != mine) attention::load_rounds(block, keys, values, at, end, loaded);
        attention::add_rounds<attention::kUnroll>(
            block, q, running,
            [&](uint32_t u, uint32_t v, uint32_t i) { return attention::widened(loaded.key[u][v], i); },
            [&](uint32_t u, uint32_t v, uint32_t i) { return attention::widened(loaded.value[u][v], i); },
            [&](uint32_t u) { return at + u * attention::kStep + block.lane / attention::kLanes < end; });
      }
      if (row_apart && block.warp == 0) {
        attention::add_rounds<1>(
            block, q, running,
            [&](uint32_t, uint32_t v, uint32_t i) { return row[attention::column_of(block, v) + i]; },
            [&](uint32_t, uint32_t v, uint32_t i) {
              return row[attention::kHeadDim + attention::column_of(block, v) + i];
            },
            [&](uint32_t) { return block.lane < attention::kLanes; });
      }
      // With nothing but this pass's row the first group of lanes has it all.
      if (end > begin) attention::join_warp(running);
      attention::leave(block, running, joined);
    }
    consumer_barrier();
    attention::States states{joined, active};
    if (task.opcode == abi::Opcode::kAttentionCombine) {
      attention::add_splits(block, task, head, heads, states);
      const Activation y(block, task.operand[operand_at(abi::Opcode::kAttentionCombine, "y")]);
      attention::for_output(block, states, heads, [&](uint32_t h, uint32_t i, float2 value) {
        y.store2((head + h) * attention::kHeadDim + i, value);
      });
    } else {
      const Activation partials(block, task.operand[operand_at(kOp, "partials")]);
      attention::for_joined(block, states, heads, [&](uint32_t h, uint32_t i, float2 value) {
        partials.store2(((head + h) * params.splits + params.split) * attention::kStatePitch + i, value);
      });
    }
    if (first + attention::kHeads < params.group) consumer_barrier();
  }
}

}  // namespace amk::device
