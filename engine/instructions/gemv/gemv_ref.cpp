#include "instructions/cpu_operands.h"
#include "instructions/gemv/gemv.h"

namespace amk::instructions {

namespace {

/// y[r] = residual[r] + weight[r, :] . x over the tile's rows.
void dot_and_add(const CpuOperand& weight, const CpuOperand& residual, const CpuOperand& y, size_t row_begin,
                 size_t row_count, size_t k_chunk, const float* x, CpuWorkspace& workspace) {
  float* products = grown(workspace.results, row_count);
  dot_rows(matrix(weight), row_begin, row_count, k_chunk, x, products);
  const float* base = floats(residual) + row_begin;
  float* out = floats(y) + row_begin;
  for (size_t r = 0; r < row_count; ++r) out[r] = base[r] + products[r];
}

}  // namespace

template <>
void run_cpu_of<abi::Opcode::kGemv>(const abi::GemvParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kGemv;
  dot_rows(matrix(operands[operand_index<kOp>("weight")]), params.row_begin, params.row_count, params.k_chunk,
           floats(operands[operand_index<kOp>("x")]), floats(operands[operand_index<kOp>("y")]) + params.row_begin);
}

template <>
void run_cpu_of<abi::Opcode::kNormGemv>(const abi::NormGemvParams& params, Operands operands, CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kNormGemv;
  const float* x = normalised(operands[operand_index<kOp>("x")], operands[operand_index<kOp>("norm")], params.k,
                              params.eps, workspace);
  dot_rows(matrix(operands[operand_index<kOp>("weight")]), params.row_begin, params.row_count, params.k_chunk, x,
           floats(operands[operand_index<kOp>("y")]) + params.row_begin);
}

template <>
void run_cpu_of<abi::Opcode::kGemvResidual>(const abi::GemvParams& params, Operands operands, CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kGemvResidual;
  dot_and_add(operands[operand_index<kOp>("weight")], operands[operand_index<kOp>("residual")],
              operands[operand_index<kOp>("y")], params.row_begin, params.row_count, params.k_chunk,
              floats(operands[operand_index<kOp>("x")]), workspace);
}

template <>
void run_cpu_of<abi::Opcode::kCombineGemvResidual>(const abi::CombineGemvParams& params, Operands operands,
                                                   CpuWorkspace& workspace) {
  constexpr auto kOp = abi::Opcode::kCombineGemvResidual;
  const float* partials = floats(operands[operand_index<kOp>("partials")]);
  const size_t head_dim = params.head_dim;
  float* x = grown(workspace.vector, params.q_heads * head_dim);
  for (size_t head = 0; head < params.q_heads; ++head) {
    combine_head(partials + head * params.splits * (head_dim + 2), params.splits, head_dim, x + head * head_dim);
  }
  dot_and_add(operands[operand_index<kOp>("weight")], operands[operand_index<kOp>("residual")],
              operands[operand_index<kOp>("y")], params.row_begin, params.row_count, params.k_chunk, x, workspace);
}

}  // namespace amk::instructions
