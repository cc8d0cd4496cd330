// ResidualAdd: a slice of the residual stream with a layer's output added, in float32.
//
//   y[i] = residual[i] + x[i]        i in [begin, begin + count)
//
// x, residual, y f32[size], all of one size.
//
// Reads the slice of x and residual; writes the slice of y.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kResidualAdd>(const abi::ElementwiseParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kResidualAdd>(const abi::ElementwiseParams& params, std::span<const CpuOperand> operands,
                                           CpuWorkspace& workspace);

}  // namespace amk::instructions
