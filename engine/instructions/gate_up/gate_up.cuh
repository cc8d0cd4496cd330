// Device bodies of GateUpSilu and NormGateUpSilu (gate_up.h).
#pragma once

#include "instructions/device/product.cuh"
#include "instructions/silu_mul/silu_mul.cuh"

namespace amk::device {

/// Joins gate and up rows. They are packed together: of tile t, rows 0 to 3 are gate rows from 4t on, rows 4 to 7 the
/// same rows of up.
struct JoinGateUp {
  Activation y;
  uint32_t row_begin;
  uint32_t row_end;

  __device__ __forceinline__ void prepare(const Block&, uint32_t) {}
  __device__ __forceinline__ void finish(const Block& block, uint32_t tile, float sum) const {
    const float up = __shfl_down_sync(kAllLanes, sum, 4);
    const uint32_t row = tile * (kTileRows / 2) + block.lane;
    if (block.lane < kTileRows / 2 && row >= row_begin && row < row_end) y.store(row, silu(sum) * up);
  }
};

template <abi::Opcode kOp, WeightFormat kFormat>
__device__ __forceinline__ void run_gate_up(Block& block, Progress& at, const TaskRecord& task, uint32_t place) {
  using Used = ProductOf<kFormat>;
  JoinGateUp rows{Activation(block, task.operand[operand_at(kOp, "y")]), task.params[0],
                  task.params[0] + task.params[1]};
  const Activation x(block, task.operand[operand_at(kOp, "x")]);
  if constexpr (kOp == abi::Opcode::kNormGateUpSilu) {
    const NormInput input{x, reinterpret_cast<const float*>(task.operand[operand_at(kOp, "norm")])};
    run_product<Used>(block, at, task, input, rows, params_of<abi::NormGemvParams>(task).eps, place);
  } else {
    const VectorInput input{x};
    run_product<Used>(block, at, task, input, rows, 0.0F, place);
  }
}

}  // namespace amk::device
