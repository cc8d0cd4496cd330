#include "instructions/gate_up/gate_up.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

namespace {

template <abi::Opcode kOp>
void check_products(Checks& checks, const RecordOf<kOp>& params, Shapes shapes) {
  const abi::Shape& gate = shapes[operand_index<kOp>("gate_weight")];
  const abi::Shape& up = shapes[operand_index<kOp>("up_weight")];
  checks.tile("row_begin", params.row_begin, "row_count", params.row_count, "rows of gate_weight", gate.extent[0])
      .equal("rows of up_weight", up.extent[0], "rows of gate_weight", gate.extent[0])
      .equal("length of y", shapes[operand_index<kOp>("y")].extent[0], "rows of gate_weight", gate.extent[0])
      .positive("k", params.k)
      .chunk(params.k_chunk, gate)
      .chunk(params.k_chunk, up)
      .equal("k", params.k, "columns of gate_weight", gate.extent[1])
      .equal("k", params.k, "columns of up_weight", up.extent[1])
      .equal("length of x", shapes[operand_index<kOp>("x")].extent[0], "k", params.k);
}

template <abi::Opcode kOp>
void add_ranges(const RecordOf<kOp>& params, Shapes shapes, RangeList& out) {
  add_rows(out, operand_index<kOp>("gate_weight"), shapes, params.row_begin, params.row_count);
  add_rows(out, operand_index<kOp>("up_weight"), shapes, params.row_begin, params.row_count);
  add_whole(out, operand_index<kOp>("x"), shapes);
  if constexpr (kOp == abi::Opcode::kNormGateUpSilu) add_whole(out, operand_index<kOp>("norm"), shapes);
  add_elements(out, operand_index<kOp>("y"), shapes, params.row_begin, params.row_count);
}

}  // namespace

template <>
Problem contract_of<abi::Opcode::kGateUpSilu>(const abi::GemvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kGateUpSilu;
  Checks checks;
  check_products<kOp>(checks, params, shapes);
  if (checks.failed()) return checks.take();
  add_ranges<kOp>(params, shapes, out);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kNormGateUpSilu>(const abi::NormGemvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kNormGateUpSilu;
  Checks checks;
  check_products<kOp>(checks, params, shapes);
  checks.equal("length of norm", shapes[operand_index<kOp>("norm")].extent[0], "k", params.k).epsilon(params.eps);
  if (checks.failed()) return checks.take();
  add_ranges<kOp>(params, shapes, out);
  return std::nullopt;
}

}  // namespace amk::instructions
