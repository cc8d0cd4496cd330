// Device body of Combine, and the joining of attention partials that products do for themselves (combine.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

/// Partials [heads, splits, head_dim + 2] of which only those that hold positions need be read: an empty split has
/// written nothing where `sparse_kv_block` is set.
class Partials {
 public:
  __device__ Partials(const Block& block, const Activation& values, uint32_t head_dim, uint32_t splits,
                      uint32_t sparse_kv_block)
      : values_(values), head_dim_(head_dim), splits_(splits) {
    const uint32_t blocks = sparse_kv_block == 0 ? splits : block.turn.position / sparse_kv_block + 1;
    blocks_ = blocks;
    used_ = blocks < splits ? blocks : splits;
  }

  /// Elements i and i + 1, i even, of a head's attention output.
  __device__ __forceinline__ float2 joined(uint32_t head, uint32_t i) const {
    constexpr uint32_t kAhead = 2;
    float top = -kInfinity, sum = 0;
    float2 out = make_float2(0.0F, 0.0F);
    for (uint32_t first = 0; first < used_; first += kAhead) {
      LoadedPair scale[kAhead], value[kAhead];
#pragma unroll
      for (uint32_t j = 0; j < kAhead; ++j) {
        if (first + j >= used_) break;
        const uint32_t base = place(head, first + j);
        scale[j] = values_.fetch(base + head_dim_);
        value[j] = values_.fetch(base + i);
      }
#pragma unroll
      for (uint32_t j = 0; j < kAhead; ++j) {
        if (first + j >= used_) break;
        const uint32_t base = place(head, first + j);
        const float2 max_and_sum = values_.arrived(scale[j], base + head_dim_);
        const float2 v = values_.arrived(value[j], base + i);
        if (max_and_sum.y == 0.0F) continue;
        const float above = fmaxf(top, max_and_sum.x);
        const float old_weight = sum == 0.0F ? 0.0F : __expf(top - above);
        const float weight = __expf(max_and_sum.x - above);
        out.x = out.x * old_weight + v.x * weight;
        out.y = out.y * old_weight + v.y * weight;
        sum = sum * old_weight + max_and_sum.y * weight;
        top = above;
      }
    }
    return make_float2(__fdividef(out.x, sum), __fdividef(out.y, sum));
  }
  [[nodiscard]] __device__ __forceinline__ uint32_t head_dim() const { return head_dim_; }

 private:
  /// Where the partial of the j-th split that has positions begins.
  __device__ __forceinline__ uint32_t place(uint32_t head, uint32_t j) const {
    // Split s has the blocks from floor(blocks * s / splits) on, so with fewer blocks than splits block j is the last
    // that begins at or before it.
    const uint32_t split = blocks_ >= splits_ ? j : ((j + 1) * splits_ + blocks_ - 1) / blocks_ - 1;
    return (head * splits_ + split) * (head_dim_ + 2);
  }

  Activation values_;
  uint32_t head_dim_;
  uint32_t splits_;
  uint32_t blocks_;
  uint32_t used_;
};

/// The input of a product: the attention output, joined as it is staged.
struct CombineInput {
  static constexpr bool kNormalised = false;
  struct Loaded {};
  Partials partials;

  __device__ __forceinline__ void fetch(Loaded&, uint32_t) const {}
  __device__ __forceinline__ float2 value(Loaded&, uint32_t column, float&) const {
    const uint32_t head = column / partials.head_dim();
    return partials.joined(head, column - head * partials.head_dim());
  }
  __device__ __forceinline__ float single(uint32_t column, float& squares) const {
    Loaded none;
    return value(none, column, squares).x;
  }
};

__device__ __forceinline__ void run_combine(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kCombine;
  const auto& params = params_of<abi::CombineParams>(task);
  const Partials partials(block, Activation(block, task.operand[operand_at(kOp, "partials")]), params.head_dim,
                          params.splits, task.sparse_kv_block);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  for (uint32_t i = 2 * block.thread; i < params.head_dim; i += 2 * kWarps * 32) {
    const float2 value = partials.joined(params.head, i);
    y.store(params.head * params.head_dim + i, value.x);
    y.store(params.head * params.head_dim + i + 1, value.y);
  }
}

}  // namespace amk::device
