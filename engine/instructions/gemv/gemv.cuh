// Device bodies of Gemv, NormGemv, GemvResidual and CombineGemvResidual (gemv.h).
#pragma once

#include "instructions/combine/combine.cuh"
#include "instructions/device/product.cuh"

namespace amk::device {

/// y[r] = sum, of an activation, or of an output in plain memory.
struct StoreRows {
  Activation y;
  float* output;  ///< null where y is an activation
  uint32_t row_begin;
  uint32_t row_end;

  __device__ __forceinline__ void prepare(const Block&, uint32_t) {}
  __device__ __forceinline__ void finish(const Block& block, uint32_t tile, float sum) const {
    const uint32_t row = tile * kTileRows + block.lane;
    if (block.lane >= kTileRows || row < row_begin || row >= row_end) return;
    if (output != nullptr) {
      output[row] = sum;
    } else {
      y.store(row, sum);
    }
  }
};

/// y[r] = residual[r] + sum. The residual is old news by now: it is asked for before the products, and used after.
struct AddResidual {
  Activation residual;
  Activation y;
  uint32_t row_begin;
  uint32_t row_end;
  LoadedPair held;

  __device__ __forceinline__ bool mine(const Block& block, uint32_t row) const {
    return block.lane < kTileRows && row >= row_begin && row < row_end;
  }
  __device__ __forceinline__ void prepare(const Block& block, uint32_t tile) {
    const uint32_t row = tile * kTileRows + block.lane;
    // A pair of values is one access; a page is a whole number of pairs.
    if (mine(block, row)) held = residual.fetch(row & ~1U);
  }
  __device__ __forceinline__ void finish(const Block& block, uint32_t tile, float sum) {
    const uint32_t row = tile * kTileRows + block.lane;
    if (mine(block, row)) y.store(row, residual.one_of(held, row) + sum);
  }
};

template <abi::Opcode kOp, WeightFormat kFormat>
__device__ __forceinline__ void run_gemv(Block& block, Progress& at, const TaskRecord& task, uint32_t place) {
  using Used = ProductOf<kFormat>;
  constexpr uint32_t kY = operand_at(kOp, "y");
  const auto operand = [&](uint32_t i) { return Activation(block, task.operand[i]); };
  // All records of products by rows begin so.
  const uint32_t row_begin = params_of<abi::GemvParams>(task).row_begin;
  const uint32_t row_end = row_begin + params_of<abi::GemvParams>(task).row_count;
  if constexpr (kOp == abi::Opcode::kGemv || kOp == abi::Opcode::kNormGemv) {
    StoreRows rows{operand(kY), task.plain_output != 0 ? reinterpret_cast<float*>(task.operand[kY]) : nullptr, row_begin,
                   row_end};
    if constexpr (kOp == abi::Opcode::kGemv) {
      const VectorInput input{operand(operand_at(kOp, "x"))};
      run_product<Used>(block, at, task, input, rows, 0.0F, place);
    } else {
      const NormInput input{operand(operand_at(kOp, "x")),
                            reinterpret_cast<const float*>(task.operand[operand_at(kOp, "norm")])};
      run_product<Used>(block, at, task, input, rows, params_of<abi::NormGemvParams>(task).eps, place);
    }
  } else {
    AddResidual rows{operand(operand_at(kOp, "residual")), operand(kY), row_begin, row_end, {}};
    if constexpr (kOp == abi::Opcode::kGemvResidual) {
      const VectorInput input{operand(operand_at(kOp, "x"))};
      run_product<Used>(block, at, task, input, rows, 0.0F, place);
    } else {
      const auto& params = params_of<abi::CombineGemvParams>(task);
      const CombineInput input{Partials(block, operand(operand_at(kOp, "partials")), params.head_dim, params.splits,
                                        task.sparse_kv_block)};
      run_product<Used>(block, at, task, input, rows, 0.0F, place);
    }
  }
}

}  // namespace amk::device
