// What the worker measures for `amk bench` and `amk trace`: its stages, and the deadlines that the asking side holds
// each of them to.
//
// A measurement is one request (worker/session.h): all that is compared runs interleaved in one process, the worker's.
// This process asks, kills a worker that is silent for too long, and believes no answer that does not fit the request.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ipc/worker_client.h"
#include "model/checkpoint.h"
#include "validator/validator.h"

namespace amk::eval {

enum class Stage : uint8_t {
  kLoad,       ///< the kernel is built, weights are uploaded
  kOracle,     ///< the oracle computes a position
  kRival,      ///< the rival is built, and its weights are uploaded
  kBandwidth,  ///< of the memory
  kHistory,    ///< caches are filled up to a position, and what runs there is checked
  kRounds,     ///< a round of the benchmark
  kTracing,    ///< a traced launch
};

/// What the worker is at.
struct StageProgress {
  Stage stage = Stage::kLoad;
  uint32_t position = 0;  ///< kHistory, kRounds
  uint32_t done = 0;
  uint32_t of = 0;  ///< 0: not counted
};

/// Told as a measurement goes on, in the process that measures.
using OnStage = std::function<void(const StageProgress& progress)>;

/// "measuring at position 2047"
[[nodiscard]] std::string stage_text(const StageProgress& progress);

/// How long the worker may be silent after it has said what it is at.
struct StagePatience {
  std::chrono::milliseconds load = std::chrono::minutes(15);    ///< kLoad, kRival
  std::chrono::milliseconds oracle = std::chrono::minutes(10);  ///< a position of a large model, on few cores
  std::chrono::milliseconds probe = std::chrono::minutes(1);
  std::chrono::milliseconds round = std::chrono::seconds(30);  ///< kRounds, kTracing; kHistory, beyond what is drawn
};

/// Asks a worker to measure.
struct Measurer {
  ipc::WorkerClient* worker = nullptr;
  int ordinal = 0;       ///< of the GPU, in the driver's order
  uint32_t threads = 0;  ///< of the worker; 0: every core
  StagePatience patience;
  /// Called as the work goes on: what is done, how much of how much.
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;

  /// The worker's answer to the request `name` with `parameters`, about this program. Errors are the worker's;
  /// kInternal where it crashed, was silent or talked nonsense. After a kInternal error there is no worker left: its
  /// device is of no more use.
  Result<ipc::Json> ask(std::string_view name, ipc::Json parameters, const validator::ValidatedProgram& program,
                        const model::Checkpoint& checkpoint) const;
  /// The error for an answer that does not fit the request; ends the worker.
  [[nodiscard]] Error nonsense(const std::string& found) const;
};

}  // namespace amk::eval
