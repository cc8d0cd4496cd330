// GateUpSilu and NormGateUpSilu: a tile of rows of the first half of the MLP. r in [row_begin, row_begin + row_count).
//
//   g = gate_weight[r, :] . x, u = up_weight[r, :] . x        y[r] = (g / (1 + exp(-g))) * u
//
// NormGateUpSilu takes rmsnorm(x, norm, eps) for x, as RmsNorm computes it. gate_weight, up_weight [rows, k], each
// f32, f16, bf16 or quantised on its own account; x f32[k]; norm [k]; y f32[rows]. Sums as in gemv.h.
//
// Reads the tile's rows of both matrices, x and norm whole; writes y at the tile's rows.
// Source: transformers models/llama/modeling_llama.py, LlamaMLP.forward with hidden_act "silu".
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kGateUpSilu>(const abi::GemvParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kNormGateUpSilu>(const abi::NormGemvParams& params, Shapes shapes, RangeList& out);

template <>
void run_cpu_of<abi::Opcode::kGateUpSilu>(const abi::GemvParams& params, std::span<const CpuOperand> operands,
                                          CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kNormGateUpSilu>(const abi::NormGemvParams& params, std::span<const CpuOperand> operands,
                                              CpuWorkspace& workspace);

}  // namespace amk::instructions
