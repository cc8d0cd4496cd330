// CPU bodies of the instructions: the reference that every other body is compared with, fast enough for whole models.
//
// One function an instruction, in the instruction's own folder (<folder>/<folder>_ref.cpp); the dispatch is made from
// opcode.def. Bodies compute and nothing else: counters and queues are the VM's. All sums are float32 in an order that
// depends on the parameters alone, so a program gives the same bits in every order of its tasks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "abi/tables.h"
#include "instructions/params.h"

namespace amk::instructions {

/// One operand of a bound task: the start of its buffer (for a KV cache: of [heads, context, head_dim]) and its shape.
/// Read operands are never written through `data`.
struct CpuOperand {
  std::byte* data = nullptr;
  const abi::Shape* shape = nullptr;
};

/// Scratch of one worker thread; grows to what the largest task needs and is kept.
struct CpuWorkspace {
  std::vector<float> vector;   ///< a normalised or combined input
  std::vector<float> results;  ///< rows before they are joined
};

/// Runs one task. Touches exactly the ranges of its contract. The position, where the instruction has that operand, is
/// below the cache's context: the VM has checked it.
void run_cpu(abi::Opcode opcode, const Params& params, std::span<const CpuOperand> operands, CpuWorkspace& workspace);

}  // namespace amk::instructions
