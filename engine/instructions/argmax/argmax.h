// Argmax and ArgmaxCombine: the greedy token in two steps.
//
//   Argmax         (value[slot], index[slot]) = the largest of logits[begin .. begin + count) and its index
//   ArgmaxCombine  token = index[s] of the largest value[s], s in [0, count)
//
// Both take the lowest index among equal values, ArgmaxCombine whatever the order of the slots, so neither depends on
// the order of its comparisons. A NaN never wins, as no comparison with it is true. A slice without anything above
// -inf gives (-inf, begin); where no value is a number, ArgmaxCombine gives index[0].
//
// logits f32[vocab]; value f32[slots], index u32[slots]; token u32[1]. Argmax reads its slice of logits and writes its
// slot of value and index. ArgmaxCombine reads value and index whole (count is their length) and writes token.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kArgmax>(const abi::ArgmaxParams& params, Shapes shapes, RangeList& out);
template <>
Problem contract_of<abi::Opcode::kArgmaxCombine>(const abi::ArgmaxCombineParams& params, Shapes shapes, RangeList& out);

template <>
void run_cpu_of<abi::Opcode::kArgmax>(const abi::ArgmaxParams& params, std::span<const CpuOperand> operands,
                                      CpuWorkspace& workspace);
template <>
void run_cpu_of<abi::Opcode::kArgmaxCombine>(const abi::ArgmaxCombineParams& params,
                                             std::span<const CpuOperand> operands, CpuWorkspace& workspace);

}  // namespace amk::instructions
