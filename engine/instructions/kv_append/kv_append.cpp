#include "instructions/kv_append/kv_append.h"

#include "instructions/contract_checks.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kKvAppend>(const abi::KvAppendParams& params, Shapes shapes, RangeList& out) {
  constexpr auto kOp = abi::Opcode::kKvAppend;
  constexpr uint8_t kPosition = operand_index<kOp>("position");
  constexpr uint8_t kK = operand_index<kOp>("k");
  constexpr uint8_t kV = operand_index<kOp>("v");
  constexpr uint8_t kKCache = operand_index<kOp>("k_cache");
  constexpr uint8_t kVCache = operand_index<kOp>("v_cache");
  const abi::Shape& cache = shapes[kKCache];
  const uint64_t size = saturating_mul(cache.extent[0], cache.extent[2]);
  Checks checks;
  checks.equal("length of position", shapes[kPosition].extent[0], "one position a pass", 1)
      .positive("head_dim", params.head_dim)
      .same_shape("v_cache", shapes[kVCache], "k_cache", cache)
      .equal("head_dim", params.head_dim, "third extent of k_cache", cache.extent[2])
      .below("kv_head", params.kv_head, "heads of k_cache", cache.extent[0])
      .equal("length of k", shapes[kK].extent[0], "heads x head_dim of k_cache", size)
      .equal("length of v", shapes[kV].extent[0], "heads x head_dim of v_cache", size);
  if (checks.failed()) return checks.take();
  const uint64_t begin = uint64_t{params.kv_head} * params.head_dim;
  add_whole(out, kPosition, shapes);
  add_elements(out, kK, shapes, begin, params.head_dim);
  add_elements(out, kV, shapes, begin, params.head_dim);
  add_cache_row(out, kKCache, shapes, begin, params.head_dim, abi::Span::kCurrent);
  add_cache_row(out, kVCache, shapes, begin, params.head_dim, abi::Span::kCurrent);
  return std::nullopt;
}

}  // namespace amk::instructions
