// Device body of RmsNorm (rms_norm.h).
#pragma once

#include "instructions/device/activations.cuh"

namespace amk::device {

__device__ __forceinline__ void run_rms_norm(const Block& block, const TaskRecord& task) {
  constexpr auto kOp = abi::Opcode::kRmsNorm;
  const auto& params = params_of<abi::RmsNormParams>(task);
  const Activation x(block, task.operand[operand_at(kOp, "x")]);
  const Activation y(block, task.operand[operand_at(kOp, "y")]);
  const auto* norm = reinterpret_cast<const float*>(task.operand[operand_at(kOp, "norm")]);
  float squares = 0;
  for (uint32_t i = block.thread; i < params.size; i += kWarps * 32) {
    const float value = x.load(i);
    squares += value * value;
  }
  squares = warp_sum(squares);
  float* joined = Block::partial();
  if (block.lane == 0) joined[block.warp] = squares;
  consumer_barrier();
  const float sum = warp_sum(block.lane < kWarps ? joined[block.lane] : 0.0F);
  const float scale = 1.0F / sqrtf(sum / static_cast<float>(params.size) + params.eps);
  for (uint32_t i = block.thread; i < params.size; i += kWarps * 32) y.store(i, x.load(i) * scale * norm[i]);
}

}  // namespace amk::device
