// RmsNorm: a vector scaled to unit root mean square, then by a weight an element.
//
//   y[i] = (x[i] * r) * float32(norm[i])        r = 1 / sqrt(sum(x^2) / size + eps)
//
// x, y f32[size]; norm [size], f32, f16 or bf16. size is the length of all three. All arithmetic is float32; eps is
// finite and not negative.
//
// Reads x and norm whole, writes y whole.
// Source: transformers models/llama/modeling_llama.py, LlamaRMSNorm.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kRmsNorm>(const abi::RmsNormParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kRmsNorm>(const abi::RmsNormParams& params, std::span<const CpuOperand> operands,
                                       CpuWorkspace& workspace);

}  // namespace amk::instructions
