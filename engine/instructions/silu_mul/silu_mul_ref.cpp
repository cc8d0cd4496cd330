#include "instructions/cpu_operands.h"
#include "instructions/silu_mul/silu_mul.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kSiluMul>(const abi::ElementwiseParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kSiluMul;
  const float* gate = floats(operands[operand_index<kOp>("gate")]) + params.begin;
  const float* up = floats(operands[operand_index<kOp>("up")]) + params.begin;
  float* y = floats(operands[operand_index<kOp>("y")]) + params.begin;
  for (size_t i = 0; i < params.count; ++i) y[i] = silu(gate[i]) * up[i];
}

}  // namespace amk::instructions
