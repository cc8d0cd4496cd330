// The kernels of a decode step besides cuBLAS's products: a fair rival's, vectorised and fused as serving engines fuse
// them.
//
// Compiled by NVRTC with the model's sizes as macros. Activations, weights and caches have the model's dtype, sums are
// float32. The position is read from device memory, so that one CUDA graph serves every position. Shares no code with
// the megakernel: what the two agree on, they agree on independently.
#include <stdint.h>

namespace {

constexpr uint32_t kHidden = AMK_HIDDEN;
constexpr uint32_t kIntermediate = AMK_INTERMEDIATE;
constexpr uint32_t kQHeads = AMK_Q_HEADS;
constexpr uint32_t kKvHeads = AMK_KV_HEADS;
constexpr uint32_t kHeadDim = AMK_HEAD_DIM;
constexpr uint32_t kContext = AMK_CONTEXT;
constexpr uint32_t kSplits = AMK_SPLITS;
constexpr uint32_t kHeads = AMK_HEADS_A_BLOCK;  // query heads that share a block of attention
constexpr uint32_t kVocab = AMK_VOCAB;
constexpr uint32_t kNormThreads = AMK_NORM_THREADS;
constexpr uint32_t kAll = 0xffffffffU;

// ---- elements -------------------------------------------------------------------------------------------------------

#if AMK_DTYPE == 0
using Element = float;
__device__ __forceinline__ float widen(Element e) { return e; }
__device__ __forceinline__ Element narrow(float f) { return f; }
#elif AMK_DTYPE == 1
using Element = uint16_t;
// PTX ISA, "cvt"
__device__ __forceinline__ float widen(Element e) {
  float f;
  asm("{ .reg .f16 h; mov.b16 h, %1; cvt.f32.f16 %0, h; }" : "=f"(f) : "h"(e));
  return f;
}
__device__ __forceinline__ Element narrow(float f) {
  Element e;
  asm("{ .reg .f16 h; cvt.rn.f16.f32 h, %1; mov.b16 %0, h; }" : "=h"(e) : "f"(f));
  return e;
}
#else
using Element = uint16_t;
__device__ __forceinline__ float widen(Element e) { return __uint_as_float(static_cast<uint32_t>(e) << 16); }
__device__ __forceinline__ Element narrow(float f) {
  const uint32_t bits = __float_as_uint(f);
  if (f != f) return 0x7fff;
  return static_cast<Element>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}
#endif

constexpr uint32_t kVec = 16 / sizeof(Element);  // elements of a 16-byte access
static_assert(kHidden % kVec == 0 && kIntermediate % kVec == 0 && kHeadDim % kVec == 0);

struct alignas(16) Raw {
  Element e[kVec];
};
__device__ __forceinline__ Raw load(const Element* from) {
  const uint4 word = *reinterpret_cast<const uint4*>(from);
  return reinterpret_cast<const Raw&>(word);
}
__device__ __forceinline__ void store(Element* to, const Raw& raw) {
  *reinterpret_cast<uint4*>(to) = reinterpret_cast<const uint4&>(raw);
}

// ---- norms ----------------------------------------------------------------------------------------------------------

constexpr uint32_t kNormVectors = kHidden / kVec;
constexpr uint32_t kNormRounds = (kNormVectors + kNormThreads - 1) / kNormThreads;

__device__ __forceinline__ float block_sum(float value) {
  __shared__ float sums[32];
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kAll, value, offset);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x % 32 < kNormThreads / 32 ? sums[threadIdx.x % 32] : 0.0F;
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(kAll, value, offset);
  return value;
}

/// normed = x / rms(x) * weight, x being this thread's vectors.
__device__ __forceinline__ void write_normed(const Raw (&x)[kNormRounds], const Element* weight, float eps,
                                             Element* normed) {
  Raw scale[kNormRounds];
  float square = 0;
#pragma unroll
  for (uint32_t r = 0; r < kNormRounds; ++r) {
    const uint32_t v = threadIdx.x + r * kNormThreads;
    if (v >= kNormVectors) continue;
    scale[r] = load(weight + v * kVec);
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) square += widen(x[r].e[i]) * widen(x[r].e[i]);
  }
  const float factor = rsqrtf(block_sum(square) / kHidden + eps);
#pragma unroll
  for (uint32_t r = 0; r < kNormRounds; ++r) {
    const uint32_t v = threadIdx.x + r * kNormThreads;
    if (v >= kNormVectors) continue;
    Raw out;
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) out.e[i] = narrow(widen(x[r].e[i]) * factor * widen(scale[r].e[i]));
    store(normed + v * kVec, out);
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(kNormThreads)
    amk_embed_norm(const uint32_t* token, const Element* table, const Element* weight, float eps, Element* residual,
                   Element* normed) {
  const Element* row = table + static_cast<uint64_t>(*token) * kHidden;
  Raw x[kNormRounds];
#pragma unroll
  for (uint32_t r = 0; r < kNormRounds; ++r) {
    const uint32_t v = threadIdx.x + r * kNormThreads;
    if (v >= kNormVectors) continue;
    x[r] = load(row + v * kVec);
    store(residual + v * kVec, x[r]);
  }
  write_normed(x, weight, eps, normed);
}

extern "C" __global__ void __launch_bounds__(kNormThreads)
    amk_add_norm(const Element* delta, const Element* weight, float eps, Element* residual, Element* normed) {
  Raw x[kNormRounds];
#pragma unroll
  for (uint32_t r = 0; r < kNormRounds; ++r) {
    const uint32_t v = threadIdx.x + r * kNormThreads;
    if (v >= kNormVectors) continue;
    const Raw more = load(delta + v * kVec);
    x[r] = load(residual + v * kVec);
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) x[r].e[i] = narrow(widen(x[r].e[i]) + widen(more.e[i]));
    store(residual + v * kVec, x[r]);
  }
  write_normed(x, weight, eps, normed);
}

// ---- rotary embedding and caches ------------------------------------------------------------------------------------

/// One block a head of q, k and v, a thread a pair: q is rotated in place, k into its cache, v is copied into its.
/// Caches: [kv_heads, context, head_dim].
extern "C" __global__ void amk_rope_append(const uint32_t* position_at, const float* inverse_frequency, Element* qkv,
                                           Element* k_cache, Element* v_cache) {
  constexpr uint32_t kHalf = kHeadDim / 2;
  const uint32_t head = blockIdx.x;
  const uint32_t i = threadIdx.x;
  if (i >= kHalf) return;
  const uint32_t position = *position_at;
  const Element* from = qkv + static_cast<uint64_t>(head) * kHeadDim;
  const float a = widen(from[i]);
  const float b = widen(from[i + kHalf]);
  if (head >= kQHeads + kKvHeads) {
    Element* to = v_cache + (static_cast<uint64_t>(head - kQHeads - kKvHeads) * kContext + position) * kHeadDim;
    to[i] = from[i];
    to[i + kHalf] = from[i + kHalf];
    return;
  }
  float sine;
  float cosine;
  sincosf(static_cast<float>(position) * inverse_frequency[i], &sine, &cosine);
  Element* to = head < kQHeads ? qkv + static_cast<uint64_t>(head) * kHeadDim
                               : k_cache + (static_cast<uint64_t>(head - kQHeads) * kContext + position) * kHeadDim;
  to[i] = narrow(a * cosine - b * sine);
  to[i + kHalf] = narrow(b * cosine + a * sine);
}

// ---- attention ------------------------------------------------------------------------------------------------------

namespace {

constexpr uint32_t kAttentionWarps = 4;
constexpr uint32_t kUnroll = 4;  // positions a group of lanes has under way
constexpr uint32_t power_of_two(uint32_t least) {
  uint32_t out = 1;
  while (out < least) out *= 2;
  return out;
}
constexpr uint32_t kLanes = power_of_two(kHeadDim / kVec);  // that share a position's key
static_assert(kLanes <= 32);
constexpr uint32_t kGroups = kAttentionWarps * (32 / kLanes);
constexpr uint32_t kStep = kGroups * kUnroll;  // positions of a block at once
constexpr float kLowest = -1e30F;
constexpr float kMinusInfinity = __builtin_bit_cast(float, 0xff800000U);

/// Positions of a split when there are `count` in all.
__device__ __forceinline__ uint32_t chunk_of(uint32_t count) {
  const uint32_t even = (count + kSplits - 1) / kSplits;
  return (even + kStep - 1) / kStep * kStep;
}

struct Softmax {
  float top[kHeads];
  float sum[kHeads];
  float value[kHeads][kVec];
};

/// Takes kUnroll positions' scores (powers of two) and values in.
__device__ __forceinline__ void take(Softmax& at, const float (&score)[kUnroll][kHeads], const Raw (&value)[kUnroll]) {
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    float top = at.top[h];
#pragma unroll
    for (uint32_t u = 0; u < kUnroll; ++u) top = fmaxf(top, score[u][h]);
    const float shrink = exp2f(at.top[h] - top);
    at.top[h] = top;
    at.sum[h] *= shrink;
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) at.value[h][i] *= shrink;
#pragma unroll
    for (uint32_t u = 0; u < kUnroll; ++u) {
      const float weight = exp2f(score[u][h] - top);
      at.sum[h] += weight;
#pragma unroll
      for (uint32_t i = 0; i < kVec; ++i) at.value[h][i] += weight * widen(value[u].e[i]);
    }
  }
}

/// Joins the groups of a warp; every group then has the warp's result.
__device__ __forceinline__ void join_groups(Softmax& at) {
#pragma unroll
  for (uint32_t offset = kLanes; offset < 32; offset *= 2) {
#pragma unroll
    for (uint32_t h = 0; h < kHeads; ++h) {
      const float other_top = __shfl_xor_sync(kAll, at.top[h], offset);
      const float other_sum = __shfl_xor_sync(kAll, at.sum[h], offset);
      const float top = fmaxf(at.top[h], other_top);
      const float mine = exp2f(at.top[h] - top);
      const float others = exp2f(other_top - top);
      at.top[h] = top;
      at.sum[h] = at.sum[h] * mine + other_sum * others;
#pragma unroll
      for (uint32_t i = 0; i < kVec; ++i) {
        const float other = __shfl_xor_sync(kAll, at.value[h][i], offset);
        at.value[h][i] = at.value[h][i] * mine + other * others;
      }
    }
  }
}

}  // namespace

/// Grid: splits, kv_heads, parts of a kv head's query heads. partial: [q_heads, splits, head_dim], not yet divided by
/// its sum; top_sum: [q_heads, splits, 2]. Splits beyond the last position write nothing. `scale` includes log2(e).
extern "C" __global__ void __launch_bounds__(kAttentionWarps * 32)
    amk_attention(const uint32_t* position_at, const Element* q, const Element* k_cache, const Element* v_cache,
                  float scale, float* partial, float* top_sum) {
  const uint32_t count = *position_at + 1;
  const uint32_t chunk = chunk_of(count);
  const uint32_t begin = blockIdx.x * chunk;
  if (begin >= count) return;
  const uint32_t end = min(count, begin + chunk);
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t group = warp * (32 / kLanes) + lane / kLanes;
  const uint32_t column = lane % kLanes * kVec;
  const bool active = column < kHeadDim;
  const uint32_t first_head = blockIdx.y * (kQHeads / kKvHeads) + blockIdx.z * kHeads;
  const uint64_t cache = static_cast<uint64_t>(blockIdx.y) * kContext * kHeadDim;

  float query[kHeads][kVec];
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    const Raw raw = active ? load(q + (first_head + h) * kHeadDim + column) : Raw{};
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) query[h][i] = widen(raw.e[i]) * scale;
  }
  Softmax at;
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    at.top[h] = kLowest;
    at.sum[h] = 0;
#pragma unroll
    for (uint32_t i = 0; i < kVec; ++i) at.value[h][i] = 0;
  }
  for (uint32_t base = begin; base < end; base += kStep) {
    Raw key[kUnroll];
    Raw value[kUnroll];
#pragma unroll
    for (uint32_t u = 0; u < kUnroll; ++u) {
      const uint32_t position = base + u * kGroups + group;
      const uint64_t row = cache + static_cast<uint64_t>(position) * kHeadDim + column;
      const bool there = active && position < end;
      key[u] = there ? load(k_cache + row) : Raw{};
      value[u] = there ? load(v_cache + row) : Raw{};
    }
    float score[kUnroll][kHeads];
#pragma unroll
    for (uint32_t u = 0; u < kUnroll; ++u) {
      const bool there = base + u * kGroups + group < end;
#pragma unroll
      for (uint32_t h = 0; h < kHeads; ++h) {
        float dot = 0;
#pragma unroll
        for (uint32_t i = 0; i < kVec; ++i) dot += widen(key[u].e[i]) * query[h][i];
#pragma unroll
        for (uint32_t offset = kLanes / 2; offset > 0; offset /= 2) dot += __shfl_xor_sync(kAll, dot, offset);
        score[u][h] = there ? dot : kMinusInfinity;
      }
    }
    take(at, score, value);
  }
  join_groups(at);

  __shared__ float values[kAttentionWarps][kHeads][kHeadDim];
  __shared__ float tops[kAttentionWarps][kHeads];
  __shared__ float sums[kAttentionWarps][kHeads];
#pragma unroll
  for (uint32_t h = 0; h < kHeads; ++h) {
    if (lane < kLanes && active) {
#pragma unroll
      for (uint32_t i = 0; i < kVec; ++i) values[warp][h][column + i] = at.value[h][i];
    }
    if (lane == 0) {
      tops[warp][h] = at.top[h];
      sums[warp][h] = at.sum[h];
    }
  }
  __syncthreads();
  for (uint32_t e = threadIdx.x; e < kHeads * kHeadDim; e += kAttentionWarps * 32) {
    const uint32_t h = e / kHeadDim;
    float top = tops[0][h];
#pragma unroll
    for (uint32_t w = 1; w < kAttentionWarps; ++w) top = fmaxf(top, tops[w][h]);
    float value = 0;
    float sum = 0;
#pragma unroll
    for (uint32_t w = 0; w < kAttentionWarps; ++w) {
      const float weight = exp2f(tops[w][h] - top);
      value += weight * values[w][h][e % kHeadDim];
      sum += weight * sums[w][h];
    }
    const uint64_t place = static_cast<uint64_t>(first_head + h) * kSplits + blockIdx.x;
    partial[place * kHeadDim + e % kHeadDim] = value;
    if (e % kHeadDim == 0) {
      top_sum[place * 2] = top;
      top_sum[place * 2 + 1] = sum;
    }
  }
}

/// A block a query head, a thread an element: joins the splits.
extern "C" __global__ void amk_combine(const uint32_t* position_at, const float* partial, const float* top_sum,
                                       Element* out) {
  const uint32_t count = *position_at + 1;
  const uint32_t chunk = chunk_of(count);
  const uint32_t splits = (count + chunk - 1) / chunk;
  const float2* tops = reinterpret_cast<const float2*>(top_sum) + static_cast<uint64_t>(blockIdx.x) * kSplits;
  const float* from = partial + static_cast<uint64_t>(blockIdx.x) * kSplits * kHeadDim;
  __shared__ float weights[kSplits];
  __shared__ float total;
  if (threadIdx.x < 32) {
    float top = kLowest;
    for (uint32_t s = threadIdx.x; s < splits; s += 32) top = fmaxf(top, tops[s].x);
    for (int offset = 16; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(kAll, top, offset));
    float sum = 0;
    for (uint32_t s = threadIdx.x; s < splits; s += 32) {
      const float weight = exp2f(tops[s].x - top);
      weights[s] = weight;
      sum += weight * tops[s].y;
    }
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(kAll, sum, offset);
    if (threadIdx.x == 0) total = 1.0F / sum;
  }
  __syncthreads();
  for (uint32_t d = threadIdx.x; d < kHeadDim; d += blockDim.x) {
    float value = 0;
#pragma unroll 8
    for (uint32_t s = 0; s < splits; ++s) value += weights[s] * from[s * kHeadDim + d];
    out[blockIdx.x * kHeadDim + d] = narrow(value * total);
  }
}

// ---- activation and argmax ------------------------------------------------------------------------------------------

/// out = silu(gate) * up, of [gate, up] one after the other.
extern "C" __global__ void __launch_bounds__(256) amk_silu_mul(const Element* gate_up, Element* out) {
  const uint32_t v = blockIdx.x * 256 + threadIdx.x;
  if (v >= kIntermediate / kVec) return;
  const Raw gate = load(gate_up + v * kVec);
  const Raw up = load(gate_up + kIntermediate + v * kVec);
  Raw result;
#pragma unroll
  for (uint32_t i = 0; i < kVec; ++i) {
    const float g = widen(gate.e[i]);
    result.e[i] = narrow(g / (1.0F + __expf(-g)) * widen(up.e[i]));
  }
  store(out + v * kVec, result);
}

namespace {

struct Best {
  float value;
  uint32_t index;
};
__device__ __forceinline__ Best better(const Best& a, const Best& b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}

/// The best of a block of 256 threads, in thread 0.
__device__ __forceinline__ Best block_best(Best best) {
  __shared__ Best bests[8];
  for (int offset = 16; offset > 0; offset /= 2) {
    best = better(best, {__shfl_xor_sync(kAll, best.value, offset), __shfl_xor_sync(kAll, best.index, offset)});
  }
  if (threadIdx.x % 32 == 0) bests[threadIdx.x / 32] = best;
  __syncthreads();
  for (uint32_t w = 0; w < 8; ++w) best = better(best, bests[w]);
  return best;
}

}  // namespace

/// The best of each block's share of the logits.
extern "C" __global__ void __launch_bounds__(256) amk_argmax(const Element* logits, Best* candidates) {
  Best best{kMinusInfinity, ~0U};
  for (uint32_t i = blockIdx.x * 256 + threadIdx.x; i < kVocab; i += gridDim.x * 256) {
    best = better(best, {widen(logits[i]), i});
  }
  best = block_best(best);
  if (threadIdx.x == 0) candidates[blockIdx.x] = best;
}

extern "C" __global__ void __launch_bounds__(256)
    amk_argmax_last(const Best* candidates, uint32_t count, uint32_t* token) {
  Best best{kMinusInfinity, ~0U};
  for (uint32_t i = threadIdx.x; i < count; i += 256) best = better(best, candidates[i]);
  best = block_best(best);
  if (threadIdx.x == 0) *token = best.index;
}
