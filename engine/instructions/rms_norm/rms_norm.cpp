#include "instructions/rms_norm/rms_norm.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kRmsNorm>(const abi::RmsNormParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kRmsNorm;
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kNorm = operand_index<kOp>("norm");
  constexpr uint8_t kY = operand_index<kOp>("y");
  Checks checks;
  checks.positive("size", params.size)
      .equal("size", params.size, "length of x", shapes[kX].extent[0])
      .equal("length of norm", shapes[kNorm].extent[0], "length of x", params.size)
      .equal("length of y", shapes[kY].extent[0], "length of x", params.size)
      .epsilon(params.eps);
  if (checks.failed()) return checks.take();
  add_whole(out, kX, shapes);
  add_whole(out, kNorm, shapes);
  add_whole(out, kY, shapes);
  return std::nullopt;
}

}  // namespace amk::instructions
