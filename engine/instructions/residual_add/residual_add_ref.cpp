#include "instructions/cpu_operands.h"
#include "instructions/residual_add/residual_add.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kResidualAdd>(const abi::ElementwiseParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kResidualAdd;
  const float* x = floats(operands[operand_index<kOp>("x")]) + params.begin;
  const float* residual = floats(operands[operand_index<kOp>("residual")]) + params.begin;
  float* y = floats(operands[operand_index<kOp>("y")]) + params.begin;
  for (size_t i = 0; i < params.count; ++i) y[i] = residual[i] + x[i];
}

}  // namespace amk::instructions
