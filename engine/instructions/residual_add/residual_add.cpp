#include "instructions/residual_add/residual_add.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kResidualAdd>(const abi::ElementwiseParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kResidualAdd;
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kResidual = operand_index<kOp>("residual");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const uint64_t size = shapes[kY].extent[0];
  Checks checks;
  checks.equal("length of x", shapes[kX].extent[0], "length of y", size)
      .equal("length of residual", shapes[kResidual].extent[0], "length of y", size)
      .tile("begin", params.begin, "count", params.count, "length of y", size);
  if (checks.failed()) return checks.take();
  add_elements(out, kX, shapes, params.begin, params.count);
  add_elements(out, kResidual, shapes, params.begin, params.count);
  add_elements(out, kY, shapes, params.begin, params.count);
  return std::nullopt;
}

}  // namespace amk::instructions
