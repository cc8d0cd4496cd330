#include "instructions/qkv/qkv.h"

#include <algorithm>

#include "instructions/contract_checks.h"

namespace amk::instructions {

namespace {

/// Calls add(row_begin, row_count) for the rows of `pairs`, ascending; neighbours are left for the caller to join.
template <typename Add>
void for_each_row_run(PairSpan pairs, uint64_t head_dim, const Add& add) {
  const uint64_t half = head_dim / 2;
  const auto part_of_head = [&](uint64_t begin, uint64_t end) {  // pairs of one head
    const uint64_t lo = begin / half * head_dim + begin % half;
    add(lo, end - begin);
    add(lo + half, end - begin);
  };
  uint64_t at = pairs.begin;
  if (at < pairs.end && at % half != 0) {
    const uint64_t end = std::min(pairs.end, (at / half + 1) * half);
    part_of_head(at, end);
    at = end;
  }
  if (const uint64_t heads = (pairs.end - at) / half; heads > 0) {
    add(at / half * head_dim, heads * head_dim);
    at += heads * half;
  }
  if (at < pairs.end) part_of_head(at, pairs.end);
}

/// The three parts of a tile.
struct QkvParts {
  PairSpan q, k, v;
};

template <typename QkvRecord>
QkvParts parts_of(const QkvRecord& params) {
  const uint64_t half = params.head_dim / 2;
  const uint64_t q_pairs = params.q_heads * half;
  const uint64_t kv_pairs = params.kv_heads * half;
  return {.q = pairs_within(params.pair_begin, params.pair_count, 0, q_pairs),
          .k = pairs_within(params.pair_begin, params.pair_count, q_pairs, kv_pairs),
          .v = pairs_within(params.pair_begin, params.pair_count, q_pairs + kv_pairs, kv_pairs)};
}

template <abi::Opcode kOp>
void check_heads(Checks& checks, const RecordOf<kOp>& params, Shapes shapes) {
  const abi::Shape& cache = shapes[operand_index<kOp>("k_cache")];
  checks.equal("length of position", shapes[operand_index<kOp>("position")].extent[0], "one position a pass", 1)
      .positive("head_dim", params.head_dim)
      .multiple("head_dim", params.head_dim, "a rotary pair", 2)
      .positive("q_heads", params.q_heads)
      .positive("kv_heads", params.kv_heads)
      .multiple("q_heads", params.q_heads, "kv_heads", params.kv_heads)
      .equal("length of inv_freq", shapes[operand_index<kOp>("inv_freq")].extent[0], "head_dim / 2",
             params.head_dim / 2)
      .same_shape("v_cache", shapes[operand_index<kOp>("v_cache")], "k_cache", cache)
      .equal("kv_heads", params.kv_heads, "heads of k_cache", cache.extent[0])
      .equal("head_dim", params.head_dim, "third extent of k_cache", cache.extent[2]);
}

template <abi::Opcode kOp>
void check_products(Checks& checks, const RecordOf<kOp>& params, Shapes shapes) {
  const uint64_t q_size = uint64_t{params.q_heads} * params.head_dim;
  const uint64_t kv_size = uint64_t{params.kv_heads} * params.head_dim;
  const abi::Shape& q_weight = shapes[operand_index<kOp>("q_weight")];
  const abi::Shape& k_weight = shapes[operand_index<kOp>("k_weight")];
  const abi::Shape& v_weight = shapes[operand_index<kOp>("v_weight")];
  checks.positive("k", params.k)
      .chunk(params.k_chunk, q_weight)
      .chunk(params.k_chunk, k_weight)
      .chunk(params.k_chunk, v_weight)
      .equal("rows of q_weight", q_weight.extent[0], "q_heads x head_dim", q_size)
      .equal("rows of k_weight", k_weight.extent[0], "kv_heads x head_dim", kv_size)
      .equal("rows of v_weight", v_weight.extent[0], "kv_heads x head_dim", kv_size)
      .equal("k", params.k, "columns of q_weight", q_weight.extent[1])
      .equal("k", params.k, "columns of k_weight", k_weight.extent[1])
      .equal("k", params.k, "columns of v_weight", v_weight.extent[1])
      .equal("length of x", shapes[operand_index<kOp>("x")].extent[0], "k", params.k)
      .equal("length of q", shapes[operand_index<kOp>("q")].extent[0], "q_heads x head_dim", q_size);
  if (checks.failed()) return;
  // Both sizes are rows of a matrix that exists, so their sum does not overflow.
  checks.tile("pair_begin", params.pair_begin, "pair_count", params.pair_count, "pairs of q, k and v",
              (q_size + 2 * kv_size) / 2);
}

template <abi::Opcode kOp>
void add_ranges(const RecordOf<kOp>& params, Shapes shapes, RangeList& out) {
  const QkvParts parts = parts_of(params);
  const uint64_t head_dim = params.head_dim;
  const auto weight_rows = [&](uint8_t operand, PairSpan pairs) {
    for_each_row_run(pairs, head_dim,
                     [&](uint64_t begin, uint64_t count) { add_rows(out, operand, shapes, begin, count); });
  };
  const auto cache_rows = [&](uint8_t operand, PairSpan pairs) {
    for_each_row_run(pairs, head_dim, [&](uint64_t begin, uint64_t count) {
      add_cache_row(out, operand, shapes, begin, count, abi::Span::kCurrent);
    });
  };
  add_whole(out, operand_index<kOp>("position"), shapes);
  weight_rows(operand_index<kOp>("q_weight"), parts.q);
  weight_rows(operand_index<kOp>("k_weight"), parts.k);
  weight_rows(operand_index<kOp>("v_weight"), parts.v);
  add_whole(out, operand_index<kOp>("x"), shapes);
  if constexpr (kOp == abi::Opcode::kNormQkvRopeAppend) add_whole(out, operand_index<kOp>("norm"), shapes);
  add_whole(out, operand_index<kOp>("inv_freq"), shapes);
  for_each_row_run(parts.q, head_dim, [&](uint64_t begin, uint64_t count) {
    add_elements(out, operand_index<kOp>("q"), shapes, begin, count);
  });
  cache_rows(operand_index<kOp>("k_cache"), parts.k);
  cache_rows(operand_index<kOp>("v_cache"), parts.v);
}

}  // namespace

template <>
Problem contract_of<abi::Opcode::kQkvRopeAppend>(const abi::QkvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kQkvRopeAppend;
  Checks checks;
  check_heads<kOp>(checks, params, shapes);
  check_products<kOp>(checks, params, shapes);
  if (checks.failed()) return checks.take();
  add_ranges<kOp>(params, shapes, out);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kNormQkvRopeAppend>(const abi::NormQkvParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kNormQkvRopeAppend;
  Checks checks;
  check_heads<kOp>(checks, params, shapes);
  check_products<kOp>(checks, params, shapes);
  checks.equal("length of norm", shapes[operand_index<kOp>("norm")].extent[0], "k", params.k).epsilon(params.eps);
  if (checks.failed()) return checks.take();
  add_ranges<kOp>(params, shapes, out);
  return std::nullopt;
}

}  // namespace amk::instructions
