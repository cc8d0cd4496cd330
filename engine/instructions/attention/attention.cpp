#include "instructions/attention/attention.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

namespace {

constexpr auto kOp = abi::Opcode::kAttention;
constexpr uint8_t kPosition = operand_index<kOp>("position");
constexpr uint8_t kQ = operand_index<kOp>("q");
constexpr uint8_t kKCache = operand_index<kOp>("k_cache");
constexpr uint8_t kVCache = operand_index<kOp>("v_cache");
constexpr uint8_t kPartials = operand_index<kOp>("partials");

void check(Checks& checks, const abi::AttentionParams& params, Shapes shapes) {
  const abi::Shape& cache = shapes[kKCache];
  const abi::Shape& partials = shapes[kPartials];
  const uint64_t q_heads = saturating_mul(cache.extent[0], params.group);
  checks.equal("length of position", shapes[kPosition].extent[0], "one position a pass", 1)
      .positive("head_dim", params.head_dim)
      .positive("group", params.group)
      .at_most("group", params.group, "query heads an attention task may have", kAttentionGroupMax)
      .positive("splits", params.splits)
      .below("split", params.split, "splits", params.splits)
      .positive("kv_block", params.kv_block)
      .scale(params.scale)
      .same_shape("v_cache", shapes[kVCache], "k_cache", cache)
      .equal("head_dim", params.head_dim, "third extent of k_cache", cache.extent[2])
      .below("kv_head", params.kv_head, "heads of k_cache", cache.extent[0])
      .equal("length of q", shapes[kQ].extent[0], "heads of k_cache x group x head_dim",
             saturating_mul(q_heads, params.head_dim))
      .equal("first extent of partials", partials.extent[0], "heads of k_cache x group", q_heads)
      .equal("splits", params.splits, "second extent of partials", partials.extent[1])
      .equal("head_dim + 2", uint64_t{params.head_dim} + 2, "third extent of partials", partials.extent[2]);
}

}  // namespace

template <>
Problem contract_of<abi::Opcode::kAttention>(const abi::AttentionParams& params, Shapes shapes, RangeList& out) {
  Checks checks;
  check(checks, params, shapes);
  if (checks.failed()) return checks.take();
  const uint64_t head_dim = params.head_dim;
  const uint64_t first_head = uint64_t{params.kv_head} * params.group;
  const uint64_t cache_begin = params.kv_head * head_dim;
  const bool reads_current = params.split == params.splits - 1;
  add_whole(out, kPosition, shapes);
  add_elements(out, kQ, shapes, first_head * head_dim, params.group * head_dim);
  for (const uint8_t cache : {kKCache, kVCache}) {
    add_cache_row(out, cache, shapes, cache_begin, head_dim, abi::Span::kPast);
    if (reads_current) add_cache_row(out, cache, shapes, cache_begin, head_dim, abi::Span::kCurrent);
  }
  for (uint64_t head = first_head; head < first_head + params.group; ++head) {
    add_elements(out, kPartials, shapes, (head * params.splits + params.split) * (head_dim + 2), head_dim + 2);
  }
  return std::nullopt;
}

}  // namespace amk::instructions
