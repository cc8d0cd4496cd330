// Device body of Combine, and the joining of attention partials that products do for themselves (combine.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

/// Partials [heads, splits, head_dim + 2] of which only those that hold positions need be read: an empty split has
/// written nothing where `sparse_kv_block` is set.
class Partials {
 public:
  static constexpr uint32_t kAhead = 1;  ///< values under way together

  __device__ Partials(const Block& block, const Activation& values, uint32_t splits, uint32_t sparse_kv_block)
      : values_(values), splits_(splits) {
    const uint32_t blocks = sparse_kv_block == 0 ? splits : block.turn.position / sparse_kv_block + 1;
    blocks_ = blocks;
    used_ = blocks < splits ? blocks : splits;
  }

  /// What is asked for before anything is waited for: a lane's split's maximum and sum, and the first values.
  struct Loaded {
    LoadedPair scale;
    LoadedPair value[kAhead];
  };

  template <uint32_t kGroup>
  __device__ __forceinline__ void fetch(const Block& block, Loaded& loaded, uint32_t head, uint32_t i,
                                        uint32_t first = 0) const {
    const uint32_t count = min(kGroup, used_ - first);
    loaded.scale = values_.fetch(place(head, first + min(block.lane % kGroup, count - 1)) + build::kHeadDim);
#pragma unroll
    for (uint32_t j = 0; j < kAhead; ++j) {
      if (j < count) loaded.value[j] = values_.fetch(place(head, first + j) + i);
    }
  }

  /// Elements i and i + 1, i even, of a head's attention output. The lanes of a group of `kGroup` that ask together ask
  /// for the same head: they share the work of weighing its splits.
  template <uint32_t kGroup>
  __device__ __forceinline__ float2 joined(const Block& block, Loaded& loaded, uint32_t head, uint32_t i) const {
    const uint32_t lane = block.lane % kGroup;
    float top = -kInfinity, sum = 0;
    float2 out = make_float2(0.0F, 0.0F);
    for (uint32_t first = 0; first < used_; first += kGroup) {
      const uint32_t count = min(kGroup, used_ - first);
      if (first > 0) fetch<kGroup>(block, loaded, head, i, first);
      const float2 max_and_sum =
          values_.arrived(loaded.scale, place(head, first + min(lane, count - 1)) + build::kHeadDim);
      const bool counts = lane < count && max_and_sum.y != 0.0F;
      float above = fmaxf(top, counts ? max_and_sum.x : -kInfinity);
#pragma unroll
      for (uint32_t offset = kGroup / 2; offset > 0; offset /= 2) {
        above = fmaxf(above, __shfl_xor_sync(kAllLanes, above, offset));
      }
      const float old = top == -kInfinity ? 0.0F : __expf(top - above);
      const float mine = counts ? __expf(max_and_sum.x - above) : 0.0F;
      float added = counts ? mine * max_and_sum.y : 0.0F;
#pragma unroll
      for (uint32_t offset = kGroup / 2; offset > 0; offset /= 2) {
        added += __shfl_xor_sync(kAllLanes, added, offset);
      }
      out = make_float2(out.x * old, out.y * old);
      sum = sum * old + added;
      top = above;
      for (uint32_t from = 0; from < count; from += kAhead) {
#pragma unroll
        for (uint32_t j = 0; j < kAhead; ++j) {
          const float share = __shfl_sync(kAllLanes, mine, (from + j) % kGroup, kGroup);
          if (from + j >= count) continue;
          const uint32_t at = place(head, first + from + j) + i;
          const float2 v = values_.arrived(loaded.value[j], at);
          out.x += v.x * share;
          out.y += v.y * share;
          // The one that will be in this place next is on its way while the others are added.
          if (from + j + kAhead < count) loaded.value[j] = values_.fetch(place(head, first + from + j + kAhead) + i);
        }
      }
    }
    const float scale = __fdividef(1.0F, sum);
    return make_float2(out.x * scale, out.y * scale);
  }

  /// Splits that have positions; the last split is one of them.
  __device__ __forceinline__ uint32_t used() const { return used_; }
  /// Where the partial of the j-th split that has positions begins.
  __device__ __forceinline__ uint32_t place(uint32_t head, uint32_t j) const {
    // Split s has the blocks from floor(blocks * s / splits) on, so with fewer blocks than splits block j is the last
    // that begins at or before it.
    const uint32_t split = blocks_ >= splits_ ? j : ((j + 1) * splits_ + blocks_ - 1) / blocks_ - 1;
    return (head * splits_ + split) * (build::kHeadDim + 2);
  }

 private:
  Activation values_;
  uint32_t splits_;
  uint32_t blocks_;
  uint32_t used_;
};

/// The input of a product: the attention output, joined as it is staged. `kLaneColumns`: columns of a unit that a lane
/// stages.
template <uint32_t kLaneColumns>
struct CombineInput {
  /// Lanes side by side that are sure to have columns of one head, and of which all take part together.
  static constexpr uint32_t group() {
    uint32_t lanes = 32;
    while (lanes > 1 && build::kHeadDim % (lanes * kLaneColumns) != 0) lanes /= 2;
    return lanes;
  }
  static constexpr uint32_t kGroup = group();

  static constexpr bool kTogether = true;
  /// Above 480 threads a thread has 96 registers, which is no room for more.
  static constexpr uint32_t kPairsAheadMax = build::kThreads <= 480 ? 4 : 2;
  using Loaded = Partials::Loaded;
  const Block& block;
  Partials partials;

  __device__ __forceinline__ void prepare(Loaded&, uint32_t) const {}
  __device__ __forceinline__ void fetch(Loaded& loaded, uint32_t column) const {
    partials.fetch<kGroup>(block, loaded, column / build::kHeadDim, column % build::kHeadDim);
  }
  __device__ __forceinline__ float2 value(Loaded& loaded, uint32_t column, float&) const {
    return partials.joined<kGroup>(block, loaded, column / build::kHeadDim, column % build::kHeadDim);
  }
};

__device__ __forceinline__ void run_combine(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kCombine;
  const auto& params = params_of<abi::CombineParams>(task);
  const Partials partials(block, Activation(block, task.operand[operand_at(kOp, "partials")]), params.splits,
                          task.sparse_kv_block);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  // Whole warps go round together: they share the weighing of the splits.
  for (uint32_t base = 64 * block.warp; base < params.head_dim; base += 64 * kWarps) {
    const uint32_t i = min(base + 2 * block.lane, params.head_dim - 2);
    Partials::Loaded loaded;
    partials.fetch<32>(block, loaded, params.head, i);
    const float2 value = partials.joined<32>(block, loaded, params.head, i);
    if (base + 2 * block.lane >= params.head_dim) continue;
    y.store(params.head * params.head_dim + i, value.x);
    y.store(params.head * params.head_dim + i + 1, value.y);
  }
}

}  // namespace amk::device
