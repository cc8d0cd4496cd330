// Device body of Attention and AttentionCombine (attention.h).
//
// Keys and values of earlier positions come through the ring. A position is handled by a group of lanes, which hold 16
// bytes (or what divides the head) of its rows each; a warp has several such groups, and every group of every warp
// keeps a running softmax of its own. This pass's own row is a state by itself. States are joined at the end
// (states.cuh).
#pragma once

#include "instructions/attention/cache_stream.cuh"
#include "instructions/attention/states.cuh"
#include "instructions/device/ring.cuh"

namespace amk::device {

namespace attention {

/// Elements of a row that a lane holds: 8, or the most that divides the head.
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
inline constexpr uint32_t kWords = kVector * kKvBytes / 4;  ///< of a lane's part of a row

/// A lane's part of a row, as stored.
struct Raw {
  uint32_t word[kWords];
};
__device__ __forceinline__ Raw raw_part(const unsigned char* at) {
  Raw raw;
  if constexpr (kWords % 4 == 0) {
#pragma unroll
    for (uint32_t i = 0; i < kWords; i += 4) {
      const uint4 v = reinterpret_cast<const uint4*>(at)[i / 4];
      raw.word[i] = v.x, raw.word[i + 1] = v.y, raw.word[i + 2] = v.z, raw.word[i + 3] = v.w;
    }
  } else {
#pragma unroll
    for (uint32_t i = 0; i < kWords; ++i) raw.word[i] = reinterpret_cast<const uint32_t*>(at)[i];
  }
  return raw;
}
__device__ __forceinline__ float widened(const Raw& raw, uint32_t i) {
  if constexpr (build::kKvDtype == abi::Dtype::kF32) return __uint_as_float(raw.word[i]);
  const uint32_t word = raw.word[i / 2];
  if constexpr (build::kKvDtype == abi::Dtype::kF16) return i % 2 == 0 ? low_f16(word) : high_f16(word);
  return i % 2 == 0 ? low_bf16(word) : high_bf16(word);
}
/// A lane's part of a row of float32.
__device__ __forceinline__ void float_part(const float* at, float (&part)[kVector]) {
  if constexpr (kVector % 4 == 0) {
#pragma unroll
    for (uint32_t i = 0; i < kVector; i += 4) {
      const float4 v = reinterpret_cast<const float4*>(at)[i / 4];
      part[i] = v.x, part[i + 1] = v.y, part[i + 2] = v.z, part[i + 3] = v.w;
    }
  } else {
#pragma unroll
    for (uint32_t i = 0; i < kVector; ++i) part[i] = at[i];
  }
}

/// Column at which a lane's v-th part of a row begins.
__device__ __forceinline__ uint32_t column_of(const Block& block, uint32_t v) {
  return (v * kLanes + block.lane % kLanes) * kVector;
}

/// Running softmax of kHeads heads over the positions that a group of lanes has taken.
struct Running {
  float top[kHeads];
  float sum[kHeads];
  float value[kHeads][kPerLane][kVector];

  __device__ __forceinline__ Running() {
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      top[h] = -kInfinity;
      sum[h] = 0;
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
        for (uint32_t i = 0; i < kVector; ++i) value[h][v][i] = 0;
      }
    }
  }
};

/// Adds one position of each group of lanes, `there` where the group has one: its key's and its value's row stand at
/// `key` and `value`. `q` is [kHeads][head_dim] in shared memory, scaled.
__device__ __forceinline__ void add_position(const Block& block, const float* q, const unsigned char* key,
                                             const unsigned char* value, bool there, Running& running) {
  float score[kHeads] = {};
#pragma unroll
  for (uint32_t v = 0; v < kPerLane; ++v) {
    if (column_of(block, v) >= kHeadDim) continue;
    const Raw raw = raw_part(key + column_of(block, v) * kKvBytes);
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      float factor[kVector];
      float_part(q + h * kHeadDim + column_of(block, v), factor);
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) score[h] += factor[i] * widened(raw, i);
    }
  }
  float share[kHeads];
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
#pragma unroll
    for (uint32_t offset = 1; offset < kLanes; offset *= 2) {
      score[h] += __shfl_xor_sync(kAllLanes, score[h], offset);
    }
    if (!there) continue;
    const float top = fmaxf(running.top[h], score[h]);
    const float old = weight(running.top[h], top);
    share[h] = __expf(score[h] - top);
    running.sum[h] = running.sum[h] * old + share[h];
    running.top[h] = top;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] *= old;
    }
  }
  if (!there) return;
#pragma unroll
  for (uint32_t v = 0; v < kPerLane; ++v) {
    if (column_of(block, v) >= kHeadDim) continue;
    const Raw raw = raw_part(value + column_of(block, v) * kKvBytes);
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] += share[h] * widened(raw, i);
    }
  }
}

/// Takes this warp's share of the positions that come through the ring. A group of kPositions is one warp's; they go
/// round the warps, from stage to stage.
__device__ __forceinline__ void take_stages(const Block& block, const CacheStream& stream, const float* q,
                                            Cursor<kStages>& ring, Running& running) {
  const StageSlots slots = stage_slots();
  uint32_t before = 0;  // groups before the stage, modulo kWarps
#pragma unroll 1
  for (uint32_t first = stream.begin(); first < stream.end(); first += CacheStream::kStagePositions) {
    const uint32_t count = min(CacheStream::kStagePositions, stream.end() - first);
    const uint32_t groups = (count + kPositions - 1) / kPositions;
    slots.wait_full(block, ring);
    const unsigned char* keys = stage_data(ring.slot);
    uint32_t mine = block.warp - before;
    if (block.warp < before) mine += kWarps;
#pragma unroll 1
    for (; mine < groups; mine += kWarps) {
      const uint32_t position = mine * kPositions + block.lane / kLanes;
      const unsigned char* key = keys + position * CacheStream::kRowBytes;
      add_position(block, q, key, key + CacheStream::kValuesAt, position < count, running);
    }
    slots.release(block, ring);
    ring.advance();
    before = (before + groups) % kWarps;
  }
}

/// Joins the states of the warp's lane groups; every group then has the warp's.
__device__ __forceinline__ void join_warp(Running& running) {
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    float top = running.top[h];
#pragma unroll
    for (uint32_t offset = kLanes; offset < 32; offset *= 2) top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, offset));
    const float mine = weight(running.top[h], top);
    running.top[h] = top;
    running.sum[h] *= mine;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] *= mine;
    }
  }
#pragma unroll 1
  for (uint32_t offset = kLanes; offset < 32; offset *= 2) {
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      running.sum[h] += __shfl_xor_sync(kAllLanes, running.sum[h], offset);
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
        for (uint32_t i = 0; i < kVector; ++i) {
          running.value[h][v][i] += __shfl_xor_sync(kAllLanes, running.value[h][v][i], offset);
        }
      }
    }
  }
}

/// Leaves the warp's state in shared memory.
__device__ __forceinline__ void leave(const Block& block, const Running& running, float* state) {
  if (block.lane >= kLanes) return;
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    float* out = state + h * kStatePitch;
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

/// The state of this pass's row alone: a head's score is its maximum, 1 its sum. A head is one warp's.
__device__ __forceinline__ void leave_row(const Block& block, const float* q, const float* row, uint32_t heads,
                                          float* state) {
#pragma unroll 1
  for (uint32_t h = block.warp; h < heads; h += kWarps) {
    float* out = state + h * kStatePitch;
    float score = 0;
#pragma unroll 1
    for (uint32_t i = block.lane; i < kHeadDim; i += 32) {
      score += q[h * kHeadDim + i] * row[i];
      out[i] = row[kHeadDim + i];
    }
    score = warp_sum(score);
    if (block.lane == 0) {
      out[kHeadDim] = score;
      out[kHeadDim + 1] = score == score ? 1.0F : score;  // a NaN must reach the output
    }
  }
}

/// Stages the scaled queries of `heads` heads from `head` on and, where the split has it, this pass's key and value.
__device__ __forceinline__ void stage_inputs(const Block& block, const TaskRecord& task, const CacheStream& stream,
                                             uint32_t head, uint32_t heads, float* q) {
  const auto& params = params_of<abi::AttentionParams>(task);
  const Activation queries(block, task.operand[operand_at(abi::Opcode::kAttention, "q")]);
  const uint32_t pairs = (kHeads + (stream.has_row() ? 2 : 0)) * kHeadDim / 2;
#pragma unroll 1
  for (uint32_t pair = block.thread; pair < pairs; pair += kWarps * 32) {
    const uint32_t i = 2 * pair;
    float2 value = make_float2(0.0F, 0.0F);
    if (i < heads * kHeadDim) {
      value = queries.load2(head * kHeadDim + i);
      value = make_float2(value.x * params.scale, value.y * params.scale);
    } else if (i >= kHeads * kHeadDim) {
      const bool is_key = i < (kHeads + 1) * kHeadDim;
      const uint32_t column = i % kHeadDim;
      if constexpr (kPackets) {
        value = Activation(block, is_key ? task.current_k : task.current_v).load2(params.kv_head * kHeadDim + column);
      } else {
        const uint32_t position = block.turn.position;
        const unsigned char* at = (is_key ? stream.keys(position) : stream.values(position)) + column * kKvBytes;
        value = make_float2(load_cache(at), load_cache(at + kKvBytes));
      }
    }
    *reinterpret_cast<float2*>(q + i) = value;
  }
}

}  // namespace attention

/// Runs a task of either instruction; returns where the ring then stands.
__device__ __forceinline__ Cursor<kStages> run_attention(const Block& block, const TaskRecord& task,
                                                         Cursor<kStages> ring, uint32_t place) {
  const auto& params = params_of<abi::AttentionParams>(task);
  const CacheStream stream(task, block.turn.position);
  const bool past = stream.begin() < stream.end();
  // Nobody reads the partial of a split that nobody expects.
  if (!past && !stream.has_row() && task.sparse_kv_block != 0) return ring;

  float* q = reinterpret_cast<float*>(Block::area());
  const float* row = q + attention::kHeads * attention::kHeadDim;  // [2][head_dim]: this pass's key and value
  float* first_state = q + attention::kInputFloats;
#pragma unroll 1
  for (uint32_t first = 0; first < params.group; first += attention::kHeads) {
    const uint32_t heads = min(attention::kHeads, params.group - first);
    const uint32_t head = params.kv_head * params.group + first;
    attention::stage_inputs(block, task, stream, head, heads, q);
    consumer_barrier();
    stamp(block, &TraceRecord::staged, place);
    attention::States states{first_state, 0};
    if (stream.has_row()) attention::leave_row(block, q, row, heads, states.place(states.count++));
    if (past) {
      attention::Running running;
      attention::take_stages(block, stream, q, ring, running);
      const uint32_t groups = (stream.end() - stream.begin() + attention::kPositions - 1) / attention::kPositions;
      const uint32_t active = min(kWarps, groups);
      if (block.warp < active) {
        attention::join_warp(running);
        attention::leave(block, running, states.place(states.count + block.warp));
      }
      states.count += active;
    }
    consumer_barrier();
    if (task.opcode == abi::Opcode::kAttentionCombine) {
      attention::add_splits(block, task, head, heads, states);
      const Activation y(block, task.operand[operand_at(abi::Opcode::kAttentionCombine, "y")]);
      attention::for_output(block, states, heads, [&](uint32_t h, uint32_t i, float2 value) {
        y.store2((head + h) * attention::kHeadDim + i, value);
      });
    } else {
      const Activation partials(block, task.operand[operand_at(abi::Opcode::kAttention, "partials")]);
      attention::for_joined(block, states, heads, [&](uint32_t h, uint32_t i, float2 value) {
        partials.store2(((head + h) * params.splits + params.split) * attention::kStatePitch + i, value);
      });
    }
    if (first + attention::kHeads < params.group) consumer_barrier();
  }
  return ring;
}

}  // namespace amk::device
