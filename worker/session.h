// The programs that are loaded in a worker, and the requests about them. One request at a time.
//
// Owns the checkpoints, the threads and the machines. What makes a machine of a program, and what measures one, is
// given: the CUDA VM in amk-worker, the reference VM and made-up times in the tests' worker. A program comes as a file
// and is validated anew: only what the validator accepts here runs here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "eval/benchmark.h"
#include "eval/machine.h"
#include "eval/trace_run.h"
#include "ipc/serve.h"

namespace amk::worker {

struct LoadOptions {
  int ordinal = 0;  ///< of the GPU
  bool trace = false;
  std::chrono::milliseconds deadline{2000};  ///< of one launch
  /// That the program is a part of: the kernel is built for it. Such a part need not have logits and a token.
  std::optional<validator::ValidatedProgram> whole = std::nullopt;
  /// What is to be broken, for tests: {"silent_task"?: id, "wrong_weight"?: tensor, "nan_weight"?: tensor, "defines"?:
  /// [texts]}. Null in normal use.
  ipc::Json sabotage;
};

/// Loads an accepted program.
using Load = std::function<Result<std::unique_ptr<eval::Machine>>(const validator::ValidatedProgram& program,
                                                                  const model::Checkpoint& checkpoint, ThreadPool& pool,
                                                                  const LoadOptions& options)>;

/// What is measured, and by what means.
struct Subject {
  const validator::ValidatedProgram& program;
  const model::Checkpoint& checkpoint;
  ThreadPool& pool;
  int ordinal;  ///< of the GPU
  const eval::OnStage& on_stage;
};

/// Everything that only the process with the device can do.
struct Backend {
  Load load;
  std::function<Result<eval::BenchReport>(const Subject& subject, const eval::BenchRequest& request)> bench;
  std::function<Result<eval::TraceRun>(const Subject& subject, const eval::TraceRequest& request)> trace;
  std::function<Result<double>(int ordinal)> bandwidth;  ///< of the GPU's memory, bytes a second
};

/// {"load", "step", "decode", "logits", "values", "reset", "set_history", "time", "time_pairs", "trace", "unload"}
/// about programs that are loaded, {"bench", "trace_runs"} about one that they load themselves, {"bandwidth"} about
/// none. "sabotage" is refused unless `test_hooks`.
[[nodiscard]] ipc::Handlers program_handlers(Backend backend, bool test_hooks);

}  // namespace amk::worker
