// How many bytes and operations a task takes: for placement, the cost model and reports, never for safety.
#pragma once

#include <span>

#include "abi/tables.h"
#include "schedule/program.h"

namespace amk::schedule {

struct TaskCost {
  uint64_t bytes = 0;  ///< to and from global memory at position 0: KV history is not in it
  uint64_t flops = 0;  ///< a multiply-add is two
};

/// `ranges` are the task's declared ones, `shapes` its operands'.
[[nodiscard]] TaskCost task_cost(abi::Opcode opcode, const instructions::Params& params,
                                 std::span<const abi::Shape> shapes, std::span<const abi::Range> ranges);

/// Bytes of KV history that an attention task reads for a pass with `positions` positions in all; 0 for other tasks.
[[nodiscard]] uint64_t history_bytes(const Task& task, uint64_t positions);

/// Bytes of weights among a task's reads.
[[nodiscard]] uint64_t weight_bytes(const Task& task, const Program& program);

/// Bytes of all weights that a pass reads, each counted once however many tasks read it: what the floor is made of,
/// whatever the schedule. Of an embedding table that is not also the head's matrix, one row.
[[nodiscard]] uint64_t distinct_weight_bytes(const Program& program);

/// Bytes that the weight tiles of a product need in one stage of the ring: kRowsPerStage rows of k_chunk columns of its
/// widest matrix; 0 for tasks that stream no matrix.
[[nodiscard]] uint64_t stage_bytes(const Task& task, const Program& program);

/// Columns of the input that a product stages; 0 for other tasks.
[[nodiscard]] uint32_t input_columns(const Task& task, const Program& program);

/// Bytes of shared memory that a task needs beside the ring and the control area, in a program whose longest product
/// input has `columns` columns: a staged input, or what Attention joins its warps' results in.
[[nodiscard]] uint64_t activation_bytes(const Task& task, const Program& program, uint32_t columns);

}  // namespace amk::schedule
