// Device body of SiluMul (silu_mul.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

/// The quotient is accurate to 2 units in the last place; a true division would be a call.
__device__ __forceinline__ float silu(float x) { return __fdividef(x, 1.0F + expf(-x)); }

__device__ __forceinline__ void run_silu_mul(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kSiluMul;
  const auto& params = params_of<abi::ElementwiseParams>(task);
  const Activation gate(block, task.operand[operand_at(kOp, "gate")]);
  const Activation up(block, task.operand[operand_at(kOp, "up")]);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  for (uint32_t i = params.begin + block.thread; i < params.begin + params.count; i += kWarps * 32) {
    y.store(i, silu(gate.load(i)) * up.load(i));
  }
}

}  // namespace amk::device
