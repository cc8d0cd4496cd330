// Running one pass of a bound program: its queues to their ends, in one order or another.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "vm/reference/bound_program.h"

namespace amk::vm {

/// Scratch of one worker, apart from the other workers' cache lines.
struct alignas(64) Worker {
  instructions::CpuWorkspace workspace;
};

/// SMs shared out over the pool, each worker going round its queues. `workers` has one entry a thread of the pool.
void run_by_placement(const BoundProgram& program, ThreadPool& pool, std::vector<Worker>& workers);

/// On this thread, at every step one of the tasks that could run, drawn from `seed`: in turn starving an SM, running
/// one SM as far ahead as it goes, or fair.
void run_adversarially(const BoundProgram& program, uint64_t seed, Worker& worker);

}  // namespace amk::vm
