#include "instructions/combine/combine.h"
#include "instructions/cpu_operands.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kCombine>(const abi::CombineParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kCombine;
  const size_t head_dim = params.head_dim;
  const float* partials = floats(operands[operand_index<kOp>("partials")]);
  combine_head(partials + params.head * size_t{params.splits} * (head_dim + 2), params.splits, head_dim,
               floats(operands[operand_index<kOp>("y")]) + params.head * head_dim);
}

}  // namespace amk::instructions
