#include "instructions/gemv/gemv.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

namespace {

/// The rows of the tile and the chunking of its sums, against weight [rows, k] and y [rows].
void check_rows(Checks& checks, uint32_t row_begin, uint32_t row_count, uint32_t k_chunk, const abi::Shape& weight,
                const abi::Shape& y) {
  checks.tile("row_begin", row_begin, "row_count", row_count, "rows of weight", weight.extent[0])
      .equal("length of y", y.extent[0], "rows of weight", weight.extent[0])
      .chunk(k_chunk, weight);
}

void check_reduction(Checks& checks, uint32_t k, const abi::Shape& weight, const abi::Shape& x) {
  checks.positive("k", k)
      .equal("k", k, "columns of weight", weight.extent[1])
      .equal("length of x", x.extent[0], "k", k);
}

}  // namespace

template <>
Problem contract_of<abi::Opcode::kGemv>(const abi::GemvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kGemv;
  constexpr uint8_t kWeight = operand_index<kOp>("weight");
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kY = operand_index<kOp>("y");
  Checks checks;
  check_rows(checks, params.row_begin, params.row_count, params.k_chunk, shapes[kWeight], shapes[kY]);
  check_reduction(checks, params.k, shapes[kWeight], shapes[kX]);
  if (checks.failed()) return checks.take();
  add_rows(out, kWeight, shapes, params.row_begin, params.row_count);
  add_whole(out, kX, shapes);
  add_elements(out, kY, shapes, params.row_begin, params.row_count);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kNormGemv>(const abi::NormGemvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kNormGemv;
  constexpr uint8_t kWeight = operand_index<kOp>("weight");
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kNorm = operand_index<kOp>("norm");
  constexpr uint8_t kY = operand_index<kOp>("y");
  Checks checks;
  check_rows(checks, params.row_begin, params.row_count, params.k_chunk, shapes[kWeight], shapes[kY]);
  check_reduction(checks, params.k, shapes[kWeight], shapes[kX]);
  checks.equal("length of norm", shapes[kNorm].extent[0], "k", params.k).epsilon(params.eps);
  if (checks.failed()) return checks.take();
  add_rows(out, kWeight, shapes, params.row_begin, params.row_count);
  add_whole(out, kX, shapes);
  add_whole(out, kNorm, shapes);
  add_elements(out, kY, shapes, params.row_begin, params.row_count);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kGemvResidual>(const abi::GemvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kGemvResidual;
  constexpr uint8_t kWeight = operand_index<kOp>("weight");
  constexpr uint8_t kX = operand_index<kOp>("x");
  constexpr uint8_t kResidual = operand_index<kOp>("residual");
  constexpr uint8_t kY = operand_index<kOp>("y");
  Checks checks;
  check_rows(checks, params.row_begin, params.row_count, params.k_chunk, shapes[kWeight], shapes[kY]);
  check_reduction(checks, params.k, shapes[kWeight], shapes[kX]);
  checks.equal("length of residual", shapes[kResidual].extent[0], "rows of weight", shapes[kWeight].extent[0]);
  if (checks.failed()) return checks.take();
  add_rows(out, kWeight, shapes, params.row_begin, params.row_count);
  add_whole(out, kX, shapes);
  add_elements(out, kResidual, shapes, params.row_begin, params.row_count);
  add_elements(out, kY, shapes, params.row_begin, params.row_count);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kCombineGemvResidual>(const abi::CombineGemvParams& params, Shapes shapes,
                                                       RangeList& out) {
  constexpr auto kOp = abi::Opcode::kCombineGemvResidual;
  constexpr uint8_t kWeight = operand_index<kOp>("weight");
  constexpr uint8_t kPartials = operand_index<kOp>("partials");
  constexpr uint8_t kResidual = operand_index<kOp>("residual");
  constexpr uint8_t kY = operand_index<kOp>("y");
  const abi::Shape& weight = shapes[kWeight];
  const abi::Shape& partials = shapes[kPartials];
  Checks checks;
  check_rows(checks, params.row_begin, params.row_count, params.k_chunk, weight, shapes[kY]);
  checks.positive("q_heads", params.q_heads)
      .positive("head_dim", params.head_dim)
      .positive("splits", params.splits)
      .equal("q_heads x head_dim", uint64_t{params.q_heads} * params.head_dim, "columns of weight", weight.extent[1])
      .equal("q_heads", params.q_heads, "first extent of partials", partials.extent[0])
      .equal("splits", params.splits, "second extent of partials", partials.extent[1])
      .equal("head_dim + 2", uint64_t{params.head_dim} + 2, "third extent of partials", partials.extent[2])
      .equal("length of residual", shapes[kResidual].extent[0], "rows of weight", weight.extent[0]);
  if (checks.failed()) return checks.take();
  add_rows(out, kWeight, shapes, params.row_begin, params.row_count);
  add_whole(out, kPartials, shapes);
  add_elements(out, kResidual, shapes, params.row_begin, params.row_count);
  add_elements(out, kY, shapes, params.row_begin, params.row_count);
  return std::nullopt;
}

}  // namespace amk::instructions
