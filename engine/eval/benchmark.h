// The benchmark: the megakernel and its rivals, interleaved in one process on one device.
//
// First the megakernel's logits are compared with the oracle's, then the rival's with the megakernel's; what is wrong
// is not timed. Then, round after round, each contender runs twice in a row and its second run is timed between two
// events, so that each finds the L2 cache as its own pass before has left it. The order rotates, and a long read ahead
// of every round keeps the GPU busy while the host enqueues.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/bench_report.h"
#include "model/checkpoint.h"
#include "validator/validator.h"
#include "vm/cuda/cuda_vm.h"
#include "vm/cuda/driver.h"

namespace amk::eval {

struct BenchRequest {
  const validator::ValidatedProgram* program = nullptr;
  const model::Checkpoint* checkpoint = nullptr;
  std::vector<uint32_t> positions = {0};  ///< each below the program's context
  uint32_t rounds = 200;
  uint32_t warm_ups = 20;  ///< rounds that do not count
  uint32_t checked = 8;    ///< positions compared with the oracle, at least 1
  uint64_t seed = 1;       ///< of tokens, histories and the bootstrap
  bool rivals = true;
  /// Called as the work goes on: what is done, how much of how much.
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

/// kUsage for positions beyond the context or no rounds; otherwise what the device says. A megakernel that is wrong is
/// no error: the report says it, and has no times. A rival that cannot be had, or is wrong, is a note.
Result<BenchReport> run_benchmark(const BenchRequest& request, vm::cuda::Device& device, ThreadPool& pool);

/// The gate alone: `count` random tokens through the machine (twice) and the oracle.
struct GateResult {
  Agreement agreement;
  bool repeatable = false;
  std::vector<uint32_t> tokens;
  LogitRows logits;  ///< the machine's
};
Result<GateResult> check_against_oracle(vm::cuda::CudaVm& machine, const schedule::Program& program,
                                        const model::Checkpoint& checkpoint, uint32_t count, uint64_t seed,
                                        ThreadPool& pool);

/// An element of a made-up key or value: a multiple of 1/64 in [-1, 1], which f32, f16 and bf16 all hold.
[[nodiscard]] float history_value(uint64_t seed, uint32_t layer, bool value, uint64_t element);

}  // namespace amk::eval
