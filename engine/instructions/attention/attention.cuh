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
inline constexpr uint32_t kSets = kWarps / kHeads;
/// Times kPositions that a warp takes one after another before it corrects its softmax.
inline constexpr uint32_t kRounds = kPerLane > 1 ? 1 : build::knob::attention_positions_at_once;
inline constexpr uint32_t kUnit = kRounds * kPositions;

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

/// Running softmax of one head over the positions that a group of lanes has taken.
struct Running {
  float top = -kInfinity;
  float sum = 0;
  float value[kPerLane][kVector] = {};
};

/// Adds `kRounds` positions of each group of lanes to its softmax: the scores of all first, then one correction for
/// all. The group's r-th position stands r * kPositions rows behind `key` and `value`; there are `left` positions from
/// this warp's first on. `q` is this lane's part of the head's query, scaled.
__device__ __forceinline__ void add_positions(const Block& block, const float (&q)[kPerLane][kVector],
                                              const unsigned char* key, const unsigned char* value, uint32_t left,
                                              Running& running) {
  constexpr uint32_t kStep = kPositions * CacheStream::kRowBytes;
  const auto there = [&](uint32_t r) { return r * kPositions + block.lane / kLanes < left; };
  // What stands behind the last position may be anything, even no number.
  const auto part_of = [&](const unsigned char* row, uint32_t r, uint32_t v) {
    return there(r) && column_of(block, v) < kHeadDim ? raw_part(row + r * kStep + column_of(block, v) * kKvBytes)
                                                      : Raw{};
  };
  float score[kRounds];
  float top = running.top;
#pragma unroll
  for (uint32_t r = 0; r < kRounds; ++r) {
    score[r] = 0;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
      const Raw raw = part_of(key, r, v);
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) score[r] += q[v][i] * widened(raw, i);
    }
#pragma unroll
    for (uint32_t offset = 1; offset < kLanes; offset *= 2) {
      score[r] += __shfl_xor_sync(kAllLanes, score[r], offset);
    }
    if (!there(r)) score[r] = -kInfinity;
    top = fmaxf(top, score[r]);
  }
  const float old = weight(running.top, top);
  running.top = top;
  running.sum *= old;
#pragma unroll
  for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
    for (uint32_t i = 0; i < kVector; ++i) running.value[v][i] *= old;
  }
#pragma unroll
  for (uint32_t r = 0; r < kRounds; ++r) {
    const float share = weight(score[r], top);
    running.sum += share;
#pragma unroll
    for (uint32_t v = 0; v < kPerLane; ++v) {
      const Raw raw = part_of(value, r, v);
#pragma unroll
      for (uint32_t i = 0; i < kVector; ++i) running.value[v][i] += share * widened(raw, i);
    }
  }
}

/// Takes this warp's share of the positions that come through the ring, for head `h` of those at hand. A unit of kUnit
/// positions is one set's; they go round the sets, from stage to stage. A warp that has no head looks on.
__device__ __forceinline__ void take_stages(const Block& block, const CacheStream& stream, const float* query,
                                            bool has_head, Cursor<kStages>& ring, Running& running) {
  const StageSlots slots = stage_slots();
  float q[kPerLane][kVector] = {};
#pragma unroll
  for (uint32_t v = 0; v < kPerLane; ++v) {
    if (column_of(block, v) < kHeadDim) float_part(query + column_of(block, v), q[v]);
  }
  const uint32_t set = block.warp / kHeads;
  uint32_t before = 0;  // units before the stage, modulo kSets
#pragma unroll 1
  for (uint32_t first = stream.begin(); first < stream.end(); first += CacheStream::kStagePositions) {
    const uint32_t count = min(CacheStream::kStagePositions, stream.end() - first);
    const uint32_t units = has_head ? (count + kUnit - 1) / kUnit : 0;
    slots.wait_full(block, ring);
    uint32_t mine = set - before;
    if (set < before) mine += kSets;
#pragma unroll 1
    for (; mine < units; mine += kSets) {
      const uint32_t position = mine * kUnit + block.lane / kLanes;
      const unsigned char* key = stage_data(ring.slot) + position * CacheStream::kRowBytes;
      add_positions(block, q, key, key + CacheStream::kValuesAt, count - mine * kUnit, running);
    }
    slots.release(block, ring);
    ring.advance();
    before = (before + units) % kSets;
  }
}

/// Sets that take_stages() gives something to.
__device__ __forceinline__ uint32_t sets_with_positions(const CacheStream& stream) {
  const uint32_t count = stream.end() - stream.begin();
  const uint32_t whole = count / CacheStream::kStagePositions, rest = count % CacheStream::kStagePositions;
  constexpr uint32_t kStageUnits = (CacheStream::kStagePositions + kUnit - 1) / kUnit;
  return min(kSets, whole * kStageUnits + (rest + kUnit - 1) / kUnit);
}

/// Joins the states of the warp's lane groups and leaves the result at `out`.
__device__ __forceinline__ void leave(const Block& block, Running& running, float* out) {
  float top = running.top;
#pragma unroll
  for (uint32_t offset = kLanes; offset < 32; offset *= 2) top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, offset));
  const float mine = weight(running.top, top);
  const auto over_groups = [&](float share) {
    share *= mine;
#pragma unroll
    for (uint32_t offset = kLanes; offset < 32; offset *= 2) share += __shfl_xor_sync(kAllLanes, share, offset);
    return share;
  };
  const float sum = over_groups(running.sum);
#pragma unroll
  for (uint32_t v = 0; v < kPerLane; ++v) {
#pragma unroll
    for (uint32_t i = 0; i < kVector; ++i) {
      const float value = over_groups(running.value[v][i]);
      if (block.lane < kLanes && column_of(block, v) < kHeadDim) out[column_of(block, v) + i] = value;
    }
  }
  if (block.lane == 0) {
    out[kHeadDim] = top;
    out[kHeadDim + 1] = sum;
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
  const uint32_t pairs = (kHeads + (stream.has_row() ? 2 : 0)) * kHeadDim / 2;
#pragma unroll 1
  for (uint32_t pair = block.thread; pair < pairs; pair += kWarps * 32) {
    const uint32_t i = 2 * pair, column = i % kHeadDim;
    const bool is_query = i < kHeads * kHeadDim, is_key = i < (kHeads + 1) * kHeadDim;
    if (is_query && i >= heads * kHeadDim) continue;
    uint64_t operand = task.operand[operand_at(abi::Opcode::kAttention, "q")];
    uint32_t from = head * kHeadDim + i;
    float scale = params.scale;
    if (!is_query) {
      operand = is_key ? task.current_k : task.current_v;
      from = params.kv_head * kHeadDim + column;
      scale = 1.0F;
    }
    float2 value;
    if (kPackets || is_query) {
      value = Activation(block, operand).load2(from);
    } else {
      const uint32_t position = block.turn.position;
      const unsigned char* at = (is_key ? stream.keys(position) : stream.values(position)) + column * kKvBytes;
      value = make_float2(load_cache(at), load_cache(at + kKvBytes));
    }
    *reinterpret_cast<float2*>(q + i) = make_float2(value.x * scale, value.y * scale);
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
  const bool joins = task.opcode == abi::Opcode::kAttentionCombine;
  const Activation out(block, task.operand[joins ? operand_at(abi::Opcode::kAttentionCombine, "y")
                                                 : operand_at(abi::Opcode::kAttention, "partials")]);
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
      const uint32_t h = block.warp % attention::kHeads, set = block.warp / attention::kHeads;
      const bool has_head = set < attention::kSets && h < heads;
      attention::take_stages(block, stream, q + h * attention::kHeadDim, has_head, ring, running);
      const uint32_t active = attention::sets_with_positions(stream);
      if (has_head && set < active)
        attention::leave(block, running, states.place(states.count + set) + h * attention::kStatePitch);
      states.count += active;
    }
    consumer_barrier();
    if (joins) attention::add_splits(block, task, head, heads, states);
    attention::for_joined(block, states, heads, [&](uint32_t h, uint32_t i, const attention::Joined& joined) {
      if (joins && i == attention::kHeadDim) return;
      const uint32_t row = joins ? head + h : (head + h) * params.splits + params.split;
      const float scale = joins ? __fdividef(1.0F, joined.sum) : 1.0F;
      out.store2(row * (joins ? attention::kHeadDim : attention::kStatePitch) + i,
                 make_float2(joined.pair.x * scale, joined.pair.y * scale));
    });
    if (first + attention::kHeads < params.group) consumer_barrier();
  }
  return ring;
}

}  // namespace amk::device
