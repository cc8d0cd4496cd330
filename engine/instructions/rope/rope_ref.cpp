#include "instructions/cpu_operands.h"
#include "instructions/rope/rope.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kRope>(const abi::RopeParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kRope;
  const uint32_t position = *indices(operands[operand_index<kOp>("position")]);
  const float* inv_freq = floats(operands[operand_index<kOp>("inv_freq")]);
  const size_t base = size_t{params.head} * params.head_dim;
  const size_t half = params.head_dim / 2;
  const float* x = floats(operands[operand_index<kOp>("x")]) + base;
  float* y = floats(operands[operand_index<kOp>("y")]) + base;
  for (size_t i = 0; i < half; ++i) {
    const Rotation turn = rotation(inv_freq[i], position);
    y[i] = x[i] * turn.cos - x[half + i] * turn.sin;
    y[half + i] = x[half + i] * turn.cos + x[i] * turn.sin;
  }
}

}  // namespace amk::instructions
