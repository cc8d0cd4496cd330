#include "instructions/cpu_operands.h"
#include "instructions/embed/embed.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kEmbed>(const abi::EmbedParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kEmbed;
  const MatrixView table = matrix(operands[operand_index<kOp>("table")]);
  const uint32_t token = *indices(operands[operand_index<kOp>("token")]);
  widen_columns(table, token, params.col_begin, params.col_count,
                floats(operands[operand_index<kOp>("y")]) + params.col_begin);
}

}  // namespace amk::instructions
