// Device body of ResidualAdd (residual_add.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

__device__ __forceinline__ void run_residual_add(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kResidualAdd;
  const auto& params = params_of<abi::ElementwiseParams>(task);
  const Activation x(block, task.operand[operand_at(kOp, "x")]);
  const Activation residual(block, task.operand[operand_at(kOp, "residual")]);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  for (uint32_t i = params.begin + block.thread; i < params.begin + params.count; i += kWarps * 32) {
    y.store(i, residual.load(i) + x.load(i));
  }
}

}  // namespace amk::device
