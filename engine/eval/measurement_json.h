// The requests and answers of measurements as JSON, for both sides of the pipe.
//
// Reading throws ipc::Json::exception where a field is missing or of another type: serve() makes it an error of the
// request, the asking side an answer that does not fit.
#pragma once

#include <optional>

#include "eval/benchmark.h"
#include "eval/measurement.h"
#include "eval/trace_run.h"
#include "ipc/framing.h"

namespace amk::eval {

/// {"stage", "position", "done", "of"}
[[nodiscard]] ipc::Json to_json(const StageProgress& progress);
/// nullopt where it is no progress of a measurement.
[[nodiscard]] std::optional<StageProgress> stage_progress_from(const ipc::Json& json);

/// {"positions", "rounds", "warm_ups", "checked", "seed", "rivals"}
[[nodiscard]] ipc::Json to_json(const BenchRequest& request);
[[nodiscard]] BenchRequest bench_request_from(const ipc::Json& json);

/// {"device", "sms", "driver", "cublas", "agreement", "repeatable", "rival_agreement", "bandwidth", "positions",
///  "notes"}: what was measured, without what follows from it and what the asking side knows.
[[nodiscard]] ipc::Json to_json(const BenchReport& measured);
/// Adds what was measured to `report`.
void read_measured(const ipc::Json& json, BenchReport& report);

/// {"position", "runs", "checked", "seed"}
[[nodiscard]] ipc::Json to_json(const TraceRequest& request);
[[nodiscard]] TraceRequest trace_request_from(const ipc::Json& json);

/// {"device", "agreement", "repeatable", "floor_us", "bandwidth", "spans_us", "tasks", "queue_begin", "records"}
[[nodiscard]] ipc::Json to_json(const TraceRun& run);
/// Errors as unpack_values(): there is to be a record a task.
Result<TraceRun> trace_run_from(const ipc::Json& json);

}  // namespace amk::eval
