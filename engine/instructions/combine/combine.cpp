#include "instructions/combine/combine.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kCombine>(const abi::CombineParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kCombine;
  constexpr uint8_t kPartials = operand_index<kOp>("partials");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const abi::Shape& partials = shapes[kPartials];
  Checks checks;
  checks.positive("head_dim", params.head_dim)
      .positive("splits", params.splits)
      .below("head", params.head, "first extent of partials", partials.extent[0])
      .equal("splits", params.splits, "second extent of partials", partials.extent[1])
      .equal("head_dim + 2", uint64_t{params.head_dim} + 2, "third extent of partials", partials.extent[2])
      .equal("length of y", shapes[kY].extent[0], "first extent of partials x head_dim",
             saturating_mul(partials.extent[0], params.head_dim));
  if (checks.failed()) return checks.take();
  const uint64_t head_dim = params.head_dim;
  const uint64_t head_elements = params.splits * (head_dim + 2);
  add_elements(out, kPartials, shapes, params.head * head_elements, head_elements);
  add_elements(out, kY, shapes, params.head * head_dim, head_dim);
  return std::nullopt;
}

}  // namespace amk::instructions
