// Device bodies of GateUpSilu and NormGateUpSilu (gate_up.h): joining gate and up rows.
//
// They are packed together: of tile t, rows 0 to 3 are gate rows from 4t on, rows 4 to 7 the same rows of up.
#pragma once

#include "instructions/device/product.cuh"
#include "instructions/silu_mul/silu_mul.cuh"

namespace amk::device {

template <abi::Opcode kOp>
__device__ __forceinline__ void join_gate_up(const Block& block, const TaskRecord& task, uint32_t tile, float sum) {
  const auto& params = params_of<abi::GemvParams>(task);
  const float up = __shfl_down_sync(kAllLanes, sum, 4);
  const uint32_t row = tile * (kTileRows / 2) + block.lane;
  if (block.lane >= kTileRows / 2 || row - params.row_begin >= params.row_count) return;
  Activation(block, task.operand[operand_at(kOp, "y")]).store(row, silu(sum) * up);
}

}  // namespace amk::device
