// Rope: one head of a vector rotated by the position. i in [0, head_dim/2), half = head_dim/2, base = head * head_dim.
//
//   angle         = float32(inv_freq[i] * float32(position))
//   y[base+i]      = x[base+i] * cos(angle) - x[base+half+i] * sin(angle)
//   y[base+half+i] = x[base+half+i] * cos(angle) + x[base+i] * sin(angle)
//
// position u32[1]; x, y f32[heads x head_dim]; inv_freq f32[head_dim/2]. The product is rounded to float32 before the
// sine and cosine, which are those of that float32 angle, correct to float32: angles reach 1e5, so a fast sine that
// does not reduce its argument exactly is wrong here.
//
// Reads position and inv_freq whole and the head of x; writes the head of y. y is not x.
// Source: transformers models/llama/modeling_llama.py, LlamaRotaryEmbedding and apply_rotary_pos_emb.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kRope>(const abi::RopeParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kRope>(const abi::RopeParams& params, std::span<const CpuOperand> operands,
                                    CpuWorkspace& workspace);

}  // namespace amk::instructions
