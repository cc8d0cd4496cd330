// SiluMul: a slice of the gated MLP's activation, in float32.
//
//   y[i] = (gate[i] / (1 + exp(-gate[i]))) * up[i]        i in [begin, begin + count)
//
// gate, up, y f32[size], all of one size.
//
// Reads the slice of gate and up; writes the slice of y.
// Source: transformers models/llama/modeling_llama.py, LlamaMLP.forward with hidden_act "silu".
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kSiluMul>(const abi::ElementwiseParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kSiluMul>(const abi::ElementwiseParams& params, std::span<const CpuOperand> operands,
                                       CpuWorkspace& workspace);

}  // namespace amk::instructions
