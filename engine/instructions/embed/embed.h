// Embed: a slice of one row of the embedding table, widened to float32.
//
//   y[c] = float32(table[token, c])        c in [col_begin, col_begin + col_count)
//
// token u32[1], below vocab: whoever sets the input has checked it. table [vocab, hidden], f32, f16, bf16
// or quantised (abi/dtype.h).
// y f32[hidden]. Widening is exact.
//
// Reads: token whole; table whole, since the row is known only when it runs. Writes: the slice of y.
// Source: transformers models/llama/modeling_llama.py, LlamaModel.embed_tokens.
#pragma once

#include "instructions/instruction.h"

namespace amk::instructions {

template <>
Problem contract_of<abi::Opcode::kEmbed>(const abi::EmbedParams& params, Shapes shapes, RangeList& out);
template <>
void run_cpu_of<abi::Opcode::kEmbed>(const abi::EmbedParams& params, std::span<const CpuOperand> operands,
                                     CpuWorkspace& workspace);

}  // namespace amk::instructions
