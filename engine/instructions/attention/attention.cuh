// Device body of Attention (attention.h).
//
// A position's key is read by a group of lanes, 16 bytes (or what divides the head) each; a warp has several such groups, and
// every group of every warp keeps a running softmax of its own over the positions it takes. They are joined at the end.
#pragma once

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

/// Takes the positions [begin, end) that fall to this warp. `q` is [kHeads][head_dim] in shared memory, scaled.
__device__ __forceinline__ void take_positions(const Block& block, const float* q, const unsigned char* keys,
                                               const unsigned char* values, uint32_t begin, uint32_t end,
                                               Running& running) {
  const uint32_t group = block.lane / kLanes, lane = block.lane % kLanes;
  constexpr uint32_t kStep = kWarps * kPositions;
  const auto column = [&](uint32_t v) { return (v * kLanes + lane) * kVector; };
  for (uint32_t first = begin + block.warp * kPositions; first < end; first += kUnroll * kStep) {
    Raw key[kUnroll][kPerLane], value[kUnroll][kPerLane];
#pragma unroll
    for (uint32_t u = 0; u < kUnroll; ++u) {
      const uint32_t position = first + u * kStep + group;
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
        if (position >= end || column(v) >= kHeadDim) continue;
        const uint64_t at = (static_cast<uint64_t>(position) * kHeadDim + column(v)) * kKvBytes;
        key[u][v] = load_raw(keys + at);
        value[u][v] = load_raw(values + at);
      }
    }
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      float score[kUnroll];
#pragma unroll
      for (uint32_t u = 0; u < kUnroll; ++u) score[u] = 0;
#pragma unroll
      for (uint32_t v = 0; v < kPerLane; ++v) {
        if (column(v) >= kHeadDim) continue;
        const float* row = q + h * kHeadDim + column(v);
#pragma unroll
        for (uint32_t i = 0; i < kVector; ++i) {
          const float factor = row[i];
#pragma unroll
          for (uint32_t u = 0; u < kUnroll; ++u) score[u] += factor * widened(key[u][v], i);
        }
      }
      float top = running.top[h];
#pragma unroll
      for (uint32_t u = 0; u < kUnroll; ++u) {
#pragma unroll
        for (uint32_t offset = 1; offset < kLanes; offset *= 2) {
          score[u] += __shfl_xor_sync(kAllLanes, score[u], offset);
        }
        if (first + u * kStep + group >= end) score[u] = -kInfinity;
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
      for (uint32_t u = 0; u < kUnroll; ++u) {
        if (first + u * kStep + group >= end) continue;
        const float share = __expf(score[u] - top);
        running.sum[h] += share;
#pragma unroll
        for (uint32_t v = 0; v < kPerLane; ++v) {
          if (column(v) >= kHeadDim) continue;
#pragma unroll
          for (uint32_t i = 0; i < kVector; ++i) running.value[h][v][i] += share * widened(value[u][v], i);
        }
      }
      running.top[h] = top;
    }
  }
}

}  // namespace attention

/// Positions [begin, end) of a split (split_positions() of attention.h).
__device__ __forceinline__ void positions_of(uint32_t position, uint32_t kv_block, uint32_t split, uint32_t splits,
                                             uint32_t& begin, uint32_t& end) {
  const uint32_t count = position + 1;
  const uint64_t blocks = position / kv_block + 1;
  const uint64_t first = blocks * split / splits * kv_block, last = blocks * (split + 1) / splits * kv_block;
  begin = static_cast<uint32_t>(first < count ? first : count);
  end = static_cast<uint32_t>(last < count ? last : count);
}

__device__ __forceinline__ void run_attention(const Block& block, const TaskRecord& task) {
  using namespace attention;
  constexpr auto kOp = abi::Opcode::kAttention;
  const auto& params = params_of<abi::AttentionParams>(task);
  const Activation queries(block, task.operand[operand_at(kOp, "q")]);
  const Activation partials(block, task.operand[operand_at(kOp, "partials")]);
  const auto* keys = cache_element(task.operand[operand_at(kOp, "k_cache")], task.context, params.kv_head, 0, kHeadDim, 0);
  const auto* values =
      cache_element(task.operand[operand_at(kOp, "v_cache")], task.context, params.kv_head, 0, kHeadDim, 0);
  uint32_t begin, end;
  positions_of(block.turn.position, params.kv_block, params.split, params.splits, begin, end);
  // Nobody reads the partial of a split that nobody expects.
  if (begin == end && task.sparse_kv_block != 0) return;

  float* q = reinterpret_cast<float*>(Block::area());
  float* joined = q + kHeads * kHeadDim;  // [warps][kHeads][head_dim + 2]
  for (uint32_t first = 0; first < params.group; first += kHeads) {
    const uint32_t heads = min(kHeads, params.group - first);
    const uint32_t head = params.kv_head * params.group + first;
    for (uint32_t i = 2 * block.thread; i < kHeads * kHeadDim; i += 2 * kWarps * 32) {
      float2 value = make_float2(0.0F, 0.0F);
      if (i < heads * kHeadDim) value = queries.load2(head * kHeadDim + i);
      q[i] = value.x * params.scale;
      q[i + 1] = value.y * params.scale;
    }
    consumer_barrier();
    Running running;
    clear(running);
    take_positions(block, q, keys, values, begin, end, running);
    join_warp(running);
    if (block.lane < kLanes) {
#pragma unroll
      for (uint32_t h = 0; h < kHeads; ++h) {
        float* out = joined + (block.warp * kHeads + h) * (kHeadDim + 2);
#pragma unroll
        for (uint32_t v = 0; v < kPerLane; ++v) {
          const uint32_t column = (v * kLanes + block.lane) * kVector;
          if (column >= kHeadDim) continue;
#pragma unroll
          for (uint32_t i = 0; i < kVector; ++i) out[column + i] = running.value[h][v][i];
        }
        if (block.lane == 0) {
          out[kHeadDim] = running.top[h];
          out[kHeadDim + 1] = running.sum[h];
        }
      }
    }
    consumer_barrier();
    for (uint32_t i = block.thread; i < heads * (kHeadDim + 2); i += kWarps * 32) {
      const uint32_t h = i / (kHeadDim + 2), column = i % (kHeadDim + 2);
      const float* of_head = joined + h * (kHeadDim + 2);
      constexpr uint32_t kPitch = kHeads * (kHeadDim + 2);
      float top = -kInfinity;
      for (uint32_t w = 0; w < kWarps; ++w) top = fmaxf(top, of_head[w * kPitch + kHeadDim]);
      float total = 0;
      for (uint32_t w = 0; w < kWarps; ++w) {
        total += weight(of_head[w * kPitch + kHeadDim], top) * of_head[w * kPitch + (column == kHeadDim ? 0 : column)];
      }
      partials.store(((head + h) * params.splits + params.split) * (kHeadDim + 2) + column,
                     column == kHeadDim ? top : total);
    }
    if (first + kHeads < params.group) consumer_barrier();
  }
}

}  // namespace amk::device
