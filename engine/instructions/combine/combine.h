// Combine: the attention partials of one query head joined into its output. i in [0, head_dim).
//
//   M = maximum of partials[head, s, head_dim] over the splits s whose sum is not 0
//   w[s] = exp(partials[head, s, head_dim] - M), 0 where the sum is 0
//   y[head * head_dim + i] = sum of w[s] * partials[head, s, i] / sum of w[s] * partials[head, s, head_dim + 1]
//
// Splits are added in ascending order. A NaN in a split that counts reaches the output. partials
// f32[q_heads, splits, head_dim + 2]; y f32[q_heads x head_dim].
//
// Reads partials[head, :, :]; writes the head of y.
// Source: as attention.h.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kCombine>(const abi::CombineParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kCombine>(const abi::CombineParams& params, std::span<const CpuOperand> operands,
                                       CpuWorkspace& workspace);

}  // namespace amk::instructions
