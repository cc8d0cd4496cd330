// The program that is loaded in a worker, and the requests about it. One at a time.
//
// Owns the checkpoint, the threads and the machine. What makes a machine of a program is given: the CUDA VM in
// amk-worker, the reference VM in the tests' worker. A program comes as a file and is validated anew: only what the
// validator accepts here runs here.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "eval/machine.h"
#include "ipc/serve.h"

namespace amk::worker {

struct LoadOptions {
  int ordinal = 0;  ///< of the GPU
  bool trace = false;
  std::chrono::milliseconds deadline{2000};  ///< of one launch
  /// What is to be broken, for tests: {"silent_task"?: id, "wrong_weight"?: tensor, "nan_weight"?: tensor, "defines"?:
  /// [texts]}. Null in normal use.
  ipc::Json sabotage;
};

/// Loads an accepted program.
using Load = std::function<Result<std::unique_ptr<eval::Machine>>(const validator::ValidatedProgram& program,
                                                                  const model::Checkpoint& checkpoint, ThreadPool& pool,
                                                                  const LoadOptions& options)>;

/// {"load", "step", "decode", "logits", "reset", "set_history", "time", "trace", "unload"}. "sabotage" is refused
/// unless `test_hooks`.
[[nodiscard]] ipc::Handlers program_handlers(Load load, bool test_hooks);

}  // namespace amk::worker
