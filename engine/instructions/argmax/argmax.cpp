#include "instructions/argmax/argmax.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kArgmax>(const abi::ArgmaxParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kArgmax;
  constexpr uint8_t kLogits = operand_index<kOp>("logits");
  constexpr uint8_t kValue = operand_index<kOp>("value");
  constexpr uint8_t kIndex = operand_index<kOp>("index");
  const uint64_t slots = shapes[kValue].extent[0];
  Checks checks;
  checks.tile("begin", params.begin, "count", params.count, "length of logits", shapes[kLogits].extent[0])
      .equal("length of index", shapes[kIndex].extent[0], "length of value", slots)
      .below("slot", params.slot, "length of value", slots);
  if (checks.failed()) return checks.take();
  add_elements(out, kLogits, shapes, params.begin, params.count);
  add_elements(out, kValue, shapes, params.slot, 1);
  add_elements(out, kIndex, shapes, params.slot, 1);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kArgmaxCombine>(const abi::ArgmaxCombineParams& params, Shapes shapes,
                                                 RangeList& out) {
  constexpr auto kOp = abi::Opcode::kArgmaxCombine;
  constexpr uint8_t kValue = operand_index<kOp>("value");
  constexpr uint8_t kIndex = operand_index<kOp>("index");
  constexpr uint8_t kToken = operand_index<kOp>("token");
  Checks checks;
  checks.positive("count", params.count)
      .equal("count", params.count, "length of value", shapes[kValue].extent[0])
      .equal("length of index", shapes[kIndex].extent[0], "count", params.count)
      .equal("length of token", shapes[kToken].extent[0], "one token a pass", 1);
  if (checks.failed()) return checks.take();
  add_whole(out, kValue, shapes);
  add_whole(out, kIndex, shapes);
  add_whole(out, kToken, shapes);
  return std::nullopt;
}

}  // namespace amk::instructions
