#include "instructions/cpu_operands.h"
#include "instructions/gate_up/gate_up.h"

namespace amk::instructions {

namespace {

template <abi::Opcode kOp>
void run_gate_up(const RecordOf<kOp>& params, Operands operands, const float* x, CpuWorkspace& workspace) {
  float* gate = grown(workspace.results, 2 * size_t{params.row_count});
  float* up = gate + params.row_count;
  dot_rows(matrix(operands[operand_index<kOp>("gate_weight")]), params.row_begin, params.row_count, params.k_chunk, x,
           gate);
  dot_rows(matrix(operands[operand_index<kOp>("up_weight")]), params.row_begin, params.row_count, params.k_chunk, x,
           up);
  float* y = floats(operands[operand_index<kOp>("y")]) + params.row_begin;
  for (size_t r = 0; r < params.row_count; ++r) y[r] = silu(gate[r]) * up[r];
}

}  // namespace

template <>
void run_cpu_of<abi::Opcode::kGateUpSilu>(const abi::GemvParams& params, Operands operands, CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kGateUpSilu;
  run_gate_up<kOp>(params, operands, floats(operands[operand_index<kOp>("x")]), workspace);
}

template <>
void run_cpu_of<abi::Opcode::kNormGateUpSilu>(const abi::NormGemvParams& params, Operands operands,
                                              CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kNormGateUpSilu;
  const float* x = normalised(operands[operand_index<kOp>("x")], operands[operand_index<kOp>("norm")], params.k,
                              params.eps, workspace);
  run_gate_up<kOp>(params, operands, x, workspace);
}

}  // namespace amk::instructions
