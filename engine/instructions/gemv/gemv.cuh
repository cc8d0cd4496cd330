// Device bodies of Gemv, NormGemv, GemvResidual and CombineGemvResidual (gemv.h): what is done with a row's sum.
#pragma once

#include "instructions/device/product.cuh"

namespace amk::device {

/// y[r] = sum, of an activation, or of an output in plain memory.
template <abi::Opcode kOp>
__device__ __forceinline__ void store_row(const Block& block, const TaskRecord& task, uint32_t tile, float sum) {
  constexpr uint32_t kY = operand_at(kOp, "y");
  // All records of products by rows begin so.
  const auto& params = params_of<abi::GemvParams>(task);
  const uint32_t row = tile * kTileRows + block.lane;
  if (block.lane >= kTileRows || row - params.row_begin >= params.row_count) return;
  if (task.plain_output != 0) {
    reinterpret_cast<float*>(task.operand[kY])[row] = sum;
  } else {
    Activation(block, task.operand[kY]).store(row, sum);
  }
}

/// Asks for the residual of this lane's row. It is old news by now: asked for before the products, used after.
template <abi::Opcode kOp>
__device__ __forceinline__ LoadedWord fetch_residual(const Block& block, const TaskRecord& task, uint32_t tile) {
  const auto& params = params_of<abi::GemvParams>(task);
  const uint32_t row = tile * kTileRows + block.lane;
  if (block.lane >= kTileRows || row - params.row_begin >= params.row_count) return {};
  return Activation(block, task.operand[operand_at(kOp, "residual")]).fetch_word(row);
}

/// y[r] = residual[r] + sum.
template <abi::Opcode kOp>
__device__ __forceinline__ void add_residual(const Block& block, const TaskRecord& task, uint32_t tile, float sum,
                                             LoadedWord& residual) {
  const auto& params = params_of<abi::GemvParams>(task);
  const uint32_t row = tile * kTileRows + block.lane;
  if (block.lane >= kTileRows || row - params.row_begin >= params.row_count) return;
  const float base =
      __uint_as_float(Activation(block, task.operand[operand_at(kOp, "residual")]).arrived_word(residual, row));
  Activation(block, task.operand[operand_at(kOp, "y")]).store(row, base + sum);
}

}  // namespace amk::device
