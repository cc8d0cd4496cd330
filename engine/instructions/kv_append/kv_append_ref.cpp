#include "instructions/cpu_operands.h"
#include "instructions/kv_append/kv_append.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kKvAppend>(const abi::KvAppendParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kKvAppend;
  const uint32_t position = *indices(operands[operand_index<kOp>("position")]);
  const size_t base = size_t{params.kv_head} * params.head_dim;
  const auto append = [&](const CpuOperand& from, const CpuOperand& cache) {
    store_rounded(cache.shape->dtype, floats(from) + base, params.head_dim, cache_at(cache, params.kv_head, position));
  };
  append(operands[operand_index<kOp>("k")], operands[operand_index<kOp>("k_cache")]);
  append(operands[operand_index<kOp>("v")], operands[operand_index<kOp>("v_cache")]);
}

}  // namespace amk::instructions
