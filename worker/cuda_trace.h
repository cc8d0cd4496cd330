// Tracing a program on a GPU: gate, several traced launches, the one whose span is the median.
#pragma once

#include "eval/trace_run.h"
#include "worker/gate.h"

namespace amk::worker {

/// Opens the GPU and traces. kUsage for a position beyond the context; otherwise what the device says.
Result<eval::TraceRun> measure_trace(const Subject& subject, const eval::TraceRequest& request);

}  // namespace amk::worker
