#include "instructions/cpu_operands.h"
#include "instructions/rms_norm/rms_norm.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kRmsNorm>(const abi::RmsNormParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kRmsNorm;
  const CpuOperand& norm = operands[operand_index<kOp>("norm")];
  rms_normalise(floats(operands[operand_index<kOp>("x")]), norm.shape->dtype, norm.data, params.size, params.eps,
                floats(operands[operand_index<kOp>("y")]));
}

}  // namespace amk::instructions
