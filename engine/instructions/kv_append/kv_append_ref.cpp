#include <algorithm>

#include "instructions/cpu_operands.h"
#include "instructions/kv_append/kv_append.h"

namespace amk::instructions {

template <>
void run_cpu_of<abi::Opcode::kKvAppend>(const abi::KvAppendParams& params, Operands operands, CpuWorkspace&) {
  constexpr auto kOp = abi::Opcode::kKvAppend;
  const uint32_t position = *indices(operands[operand_index<kOp>("position")]);
  const size_t base = size_t{params.kv_head} * params.head_dim;
  std::copy_n(floats(operands[operand_index<kOp>("k")]) + base, params.head_dim,
              cache_row(operands[operand_index<kOp>("k_cache")], params.kv_head, position));
  std::copy_n(floats(operands[operand_index<kOp>("v")]) + base, params.head_dim,
              cache_row(operands[operand_index<kOp>("v_cache")], params.kv_head, position));
}

}  // namespace amk::instructions
