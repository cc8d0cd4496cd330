// A program on a GPU, run by a worker process: the calls of a Machine as frames (ipc/protocol.h).
//
// Owns what is loaded there, not the worker. A launch that does not end, a worker that crashes or hangs: the call is an
// Error, and so is every later one; the worker's process is ended, and its client starts another for the next machine.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "eval/machine.h"
#include "ipc/worker_client.h"

namespace amk::eval {

struct GpuOptions {
  int ordinal = 0;  ///< of the GPU, in the driver's order
  bool trace = false;
  /// Programs that are loaded in the worker already stay there, as long as their machines live: two that are to be
  /// compared. Otherwise this one takes their place.
  bool beside_others = false;
  /// A program that this one is a part of (schedule/isolate.h): the kernel is built for that one, so that the part runs
  /// the very same. Its launch and build knobs are the part's.
  std::optional<validator::ValidatedProgram> whole = std::nullopt;
  /// Of one launch of one pass, on the device; a launch of more passes gets kPassPatience more for each.
  std::chrono::milliseconds launch_deadline{2000};
  std::chrono::milliseconds load_deadline = std::chrono::minutes(15);
  ipc::Json sabotage;  ///< what a worker with --test-hooks is to break (worker/session.h); null in normal use
};

/// What a pass more may take.
inline constexpr std::chrono::milliseconds kPassPatience{100};
/// What a reply may take beyond the launches it is about.
inline constexpr std::chrono::milliseconds kReplyPatience{3000};

/// Sends `program` to the worker, which validates it anew and uploads the checkpoint's weights. Errors are the
/// worker's: kUnsupported where its GPU is not what the program was compiled for, kIo where memory runs out.
Result<std::unique_ptr<Machine>> load_gpu_machine(std::shared_ptr<ipc::WorkerClient> worker,
                                                  const validator::ValidatedProgram& program,
                                                  const model::Checkpoint& checkpoint, const GpuOptions& options = {});

/// The rate at which a plain kernel reads the GPU's memory, bytes a second. Programs that are loaded there stay.
Result<double> measure_bandwidth(ipc::WorkerClient& worker, int ordinal);

/// load_gpu_machine() on this worker.
[[nodiscard]] MachineFactory gpu_machines(std::shared_ptr<ipc::WorkerClient> worker, const GpuOptions& options = {});

}  // namespace amk::eval
