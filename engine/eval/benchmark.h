// The benchmark: the megakernel and its rivals, interleaved in one process on one device, the worker's.
//
// The worker measures (worker/cuda_bench.h says how); here is what it is asked for, and what follows from its samples.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "eval/bench_report.h"
#include "eval/measurement.h"

namespace amk::eval {

struct BenchRequest {
  std::vector<uint32_t> positions = {0};  ///< each below the program's context
  uint32_t rounds = 200;
  uint32_t warm_ups = 20;  ///< rounds that do not count
  uint32_t checked = 8;    ///< positions compared with the oracle, at least 1
  uint64_t seed = 1;       ///< of tokens, histories and the bootstrap
  bool rivals = true;
};

/// kUsage for positions beyond the context or no rounds; otherwise what the device says, or Measurer::ask(). A
/// megakernel that is wrong is no error: the report says it, and has no times. A rival that cannot be had, or is wrong,
/// is a note.
Result<BenchReport> run_benchmark(const BenchRequest& request, const validator::ValidatedProgram& program,
                                  const model::Checkpoint& checkpoint, const Measurer& measurer);

}  // namespace amk::eval
