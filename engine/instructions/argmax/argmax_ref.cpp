#include <limits>

#include "instructions/argmax/argmax.h"
#include "instructions/cpu_operands.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kArgmax>(const abi::ArgmaxParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kArgmax;
  const float* logits = floats(operands[operand_index<kOp>("logits")]);
  float best = -std::numeric_limits<float>::infinity();
  uint32_t at = params.begin;
  for (uint32_t i = 0; i < params.count; ++i) {
    if (logits[params.begin + i] > best) {
      best = logits[params.begin + i];
      at = params.begin + i;
    }
  }
  floats(operands[operand_index<kOp>("value")])[params.slot] = best;
  indices(operands[operand_index<kOp>("index")])[params.slot] = at;
}

template <>
void run_cpu_of<abi::Opcode::kArgmaxCombine>(const abi::ArgmaxCombineParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kArgmaxCombine;
  const float* value = floats(operands[operand_index<kOp>("value")]);
  const uint32_t* index = indices(operands[operand_index<kOp>("index")]);
  float best = -std::numeric_limits<float>::infinity();
  uint32_t at = index[0];
  for (uint32_t i = 0; i < params.count; ++i) {
    if (value[i] > best || (value[i] == best && index[i] < at)) {
      best = value[i];
      at = index[i];
    }
  }
  *indices(operands[operand_index<kOp>("token")]) = at;
}

}  // namespace amk::instructions
