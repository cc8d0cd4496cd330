#include "eval/measurement.h"

#include <fmt/format.h>

#include "eval/history.h"
#include "eval/measurement_json.h"
#include "eval/sent_program.h"

namespace amk::eval {
namespace {

using ipc::Json;
using std::chrono::milliseconds;

/// Until the worker may be silent for, after such progress. `history_row`: values that a position has in all caches.
milliseconds patience_after(const StageProgress& progress, const StagePatience& patience, uint64_t history_row) {
  switch (progress.stage) {
    case Stage::kLoad:
    case Stage::kRival:
      return patience.load;
    case Stage::kOracle:
      return patience.oracle;
    case Stage::kBandwidth:
      return patience.probe;
    case Stage::kHistory:  // the megakernel's caches and the rival's
      return patience.round + 2 * history_patience(history_row, progress.position);
    case Stage::kRounds:
    case Stage::kTracing:
      break;
  }
  return patience.round;
}

}  // namespace

std::string stage_text(const StageProgress& progress) {
  switch (progress.stage) {
    case Stage::kLoad:
      return "building the kernel, uploading weights";
    case Stage::kOracle:
      return "asking the oracle";
    case Stage::kRival:
      return "preparing the rival";
    case Stage::kBandwidth:
      return "measuring the memory's bandwidth";
    case Stage::kHistory:
      return fmt::format("filling the caches up to position {}", progress.position);
    case Stage::kRounds:
      return fmt::format("measuring at position {}", progress.position);
    case Stage::kTracing:
      break;
  }
  return "tracing";
}

Result<Json> Measurer::ask(std::string_view name, Json parameters, const validator::ValidatedProgram& program,
                           const model::Checkpoint& checkpoint) const {
  AMK_ASSIGN_OR_RETURN(const SentProgram sent, SentProgram::create(program, checkpoint));
  parameters.update(sent.parameters());
  parameters["ordinal"] = ordinal;
  parameters["threads"] = threads;
  const uint64_t row = history_row(program.program());
  const auto heard = [&](const Json& json) -> std::optional<milliseconds> {
    const std::optional<StageProgress> at = stage_progress_from(json);
    if (!at) return std::nullopt;
    if (progress) progress(stage_text(*at), at->done, at->of);
    return patience_after(*at, patience, row);
  };
  // Before the first stage the worker reads and validates the program and opens the model.
  Result<Json> reply = worker->call_attended(name, parameters, patience.load, heard);
  if (!reply && reply.error().code == ErrorCode::kInternal) worker->stop();
  return reply;
}

Error Measurer::nonsense(const std::string& found) const {
  worker->stop();
  return {ErrorCode::kInternal, "expected a measurement that fits the request, found " + found, "amk-worker",
          "amk and amk-worker must be of one version"};
}

}  // namespace amk::eval
