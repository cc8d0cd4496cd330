// KvAppend: one head's key and value written at the current position. i in [0, head_dim).
//
//   k_cache[kv_head, position, i] = k[kv_head * head_dim + i]
//   v_cache[kv_head, position, i] = v[kv_head * head_dim + i]
//
// position u32[1], below context. k, v f32[kv_heads x head_dim]; k_cache, v_cache [kv_heads, context,
// head_dim], both f32, f16 or bf16: rounded to nearest even as they are written.
//
// Reads position whole and the head of k and v. Writes the head's part of the current row image of both caches.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kKvAppend>(const abi::KvAppendParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kKvAppend>(const abi::KvAppendParams& params, std::span<const CpuOperand> operands,
                                        CpuWorkspace& workspace);

}  // namespace amk::instructions
