#include "instructions/rope/rope.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kRope>(const abi::RopeParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kRope;
  constexpr uint8_t kPosition = operand_index<kOp>("position");
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kInvFreq = operand_index<kOp>("inv_freq");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const uint64_t size = shapes[kX].extent[0];
  Checks checks;
  checks.equal("length of position", shapes[kPosition].extent[0], "one position a pass", 1)
      .positive("head_dim", params.head_dim)
      .multiple("head_dim", params.head_dim, "a rotary pair", 2)
      .multiple("length of x", size, "head_dim", params.head_dim)
      .equal("length of y", shapes[kY].extent[0], "length of x", size)
      .equal("length of inv_freq", shapes[kInvFreq].extent[0], "head_dim / 2", params.head_dim / 2);
  if (checks.failed()) return checks.take();
  checks.below("head", params.head, "heads of x", size / params.head_dim);
  if (checks.failed()) return checks.take();
  const uint64_t begin = uint64_t{params.head} * params.head_dim;
  add_whole(out, kPosition, shapes);
  add_elements(out, kX, shapes, begin, params.head_dim);
  add_whole(out, kInvFreq, shapes);
  add_elements(out, kY, shapes, begin, params.head_dim);
  return std::nullopt;
}

}  // namespace amk::instructions
