#include "instructions/embed/embed.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kEmbed>(const abi::EmbedParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kEmbed;
  constexpr uint8_t kToken = operand_index<kOp>("token");
  constexpr uint8_t kTable = operand_index<kOp>("table");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const uint64_t hidden = shapes[kTable].extent[1];
  Checks checks;
  checks.equal("length of token", shapes[kToken].extent[0], "one token a pass", 1)
      .equal("length of y", shapes[kY].extent[0], "columns of table", hidden)
      .tile("col_begin", params.col_begin, "col_count", params.col_count, "columns of table", hidden);
  if (checks.failed()) return checks.take();
  add_whole(out, kToken, shapes);
  add_whole(out, kTable, shapes);
  add_elements(out, kY, shapes, params.col_begin, params.col_count);
  return std::nullopt;
}

}  // namespace amk::instructions
