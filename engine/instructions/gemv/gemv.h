// Gemv and its fusions: a tile of output rows of a matrix-vector product. r in [row_begin, row_begin + row_count).
//
//   Gemv                 y[r] = weight[r, :] . x
//   NormGemv             y[r] = weight[r, :] . n          n = rmsnorm(x, norm, eps), as RmsNorm computes it
//   GemvResidual         y[r] = residual[r] + weight[r, :] . x
//   CombineGemvResidual  y[r] = residual[r] + weight[r, :] . c      c[h * head_dim + i] = combine(partials[h])[i], as
//                                                                    Combine computes it
//
// weight [rows, k] row-major, f32, f16, bf16 or quantised (abi/dtype.h), widened exactly. x f32[k]; norm [k], f32, f16
// or bf16; partials f32[q_heads, splits, head_dim + 2] with k = q_heads x head_dim; residual, y f32[rows]. Sums are
// float32. k is cut into chunks of k_chunk columns (the last may be shorter); each chunk is summed on its own and the
// chunks' sums are added in order, starting from the first. k_chunk need not divide k and may exceed it; where the
// weight is quantised it is a multiple of abi::kPackedColumns.
//
// Reads: the tile's weight rows, contiguous bytes; x, norm and partials whole; residual at the tile's rows.
// Writes: y at the tile's rows.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kGemv>(const abi::GemvParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kNormGemv>(const abi::NormGemvParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kGemvResidual>(const abi::GemvParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kCombineGemvResidual>(const abi::CombineGemvParams& params, Shapes shapes,
                                                       RangeList& out);

template <>
void run_cpu_of<abi::Opcode::kGemv>(const abi::GemvParams& params, std::span<const CpuOperand> operands,
                                    CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kNormGemv>(const abi::NormGemvParams& params, std::span<const CpuOperand> operands,
                                        CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kGemvResidual>(const abi::GemvParams& params, std::span<const CpuOperand> operands,
                                            CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kCombineGemvResidual>(const abi::CombineGemvParams& params,
                                                   std::span<const CpuOperand> operands, CpuWorkspace& workspace);

}  // namespace amk::instructions
