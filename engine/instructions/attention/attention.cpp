#include "instructions/attention/attention.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

namespace {

constexpr auto kOp = abi::Opcode::kAttentionCombine;
constexpr uint8_t kPosition = operand_index<kOp>("position");
constexpr uint8_t kQ = operand_index<kOp>("q");
constexpr uint8_t kKCache = operand_index<kOp>("k_cache");
constexpr uint8_t kVCache = operand_index<kOp>("v_cache");
constexpr uint8_t kPartials = operand_index<kOp>("partials");
constexpr uint8_t kY = operand_index<kOp>("y");
// Attention has the same operands, but for the last.
static_assert(kPartials == operand_index<abi::Opcode::kAttention>("partials"));

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

/// What a task of any split reads, apart from partials.
void add_inputs(const abi::AttentionParams& params, Shapes shapes, RangeList& out) {
  const uint64_t head_dim = params.head_dim;
  const uint64_t cache_begin = params.kv_head * head_dim;
  const bool reads_current = params.split == params.splits - 1;
  add_whole(out, kPosition, shapes);
  add_elements(out, kQ, shapes, params.kv_head * (params.group * head_dim), params.group * head_dim);
  for (const uint8_t cache : {kKCache, kVCache}) {
    add_cache_row(out, cache, shapes, cache_begin, head_dim, abi::Span::kPast);
    if (reads_current) add_cache_row(out, cache, shapes, cache_begin, head_dim, abi::Span::kCurrent);
  }
}

/// Splits [begin, end) of the partials of the task's heads.
void add_partials(const abi::AttentionParams& params, Shapes shapes, uint64_t begin, uint64_t end, RangeList& out) {
  const uint64_t first_head = uint64_t{params.kv_head} * params.group;
  const uint64_t pitch = uint64_t{params.head_dim} + 2;
  for (uint64_t head = first_head; head < first_head + params.group; ++head) {
    add_elements(out, kPartials, shapes, (head * params.splits + begin) * pitch, (end - begin) * pitch);
  }
}

}  // namespace

template <>
Problem contract_of<abi::Opcode::kAttention>(const abi::AttentionParams& params, Shapes shapes, RangeList& out) {
  Checks checks;
  check(checks, params, shapes);
  if (checks.failed()) return checks.take();
  add_inputs(params, shapes, out);
  add_partials(params, shapes, params.split, uint64_t{params.split} + 1, out);
  return std::nullopt;
}

template <>
Problem contract_of<abi::Opcode::kAttentionCombine>(const abi::AttentionParams& params, Shapes shapes, RangeList& out) {
  Checks checks;
  check(checks, params, shapes);
  checks.positive("splits before the last", params.split)
      .equal("split", params.split, "the last of the splits", uint64_t{params.splits} - 1)
      .equal("length of y", shapes[kY].extent[0], "heads of k_cache x group x head_dim", shapes[kQ].extent[0]);
  if (checks.failed()) return checks.take();
  add_inputs(params, shapes, out);
  add_partials(params, shapes, 0, params.split, out);
  const uint64_t group_elements = uint64_t{params.group} * params.head_dim;
  add_elements(out, kY, shapes, params.kv_head * group_elements, group_elements);
  return std::nullopt;
}

}  // namespace amk::instructions
