#include "instructions/silu_mul/silu_mul.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kSiluMul>(const abi::ElementwiseParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kSiluMul;
  constexpr uint8_t kGate = operand_index<kOp>("gate");
  constexpr uint8_t kUp = operand_index<kOp>("up");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const uint64_t size = shapes[kY].extent[0];
  Checks checks;
  checks.equal("length of gate", shapes[kGate].extent[0], "length of y", size)
      .equal("length of up", shapes[kUp].extent[0], "length of y", size)
      .tile("begin", params.begin, "count", params.count, "length of y", size);
  if (checks.failed()) return checks.take();
  add_elements(out, kGate, shapes, params.begin, params.count);
  add_elements(out, kUp, shapes, params.begin, params.count);
  add_elements(out, kY, shapes, params.begin, params.count);
  return std::nullopt;
}

}  // namespace amk::instructions
