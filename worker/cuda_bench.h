// The benchmark's measurement: the megakernel and its rivals, interleaved in one process on one device.
//
// First the megakernel's logits are compared with the oracle's, then the rival's with the megakernel's; what is wrong
// is not timed. Then, round after round, each contender runs twice in a row and its second run is timed between two
// events, so that each finds the L2 cache as its own pass before has left it. The order rotates, and a long read ahead
// of every round keeps the GPU busy while the host enqueues.
#pragma once

#include "eval/benchmark.h"
#include "worker/gate.h"

namespace amk::worker {

/// Opens the GPU and measures: the fields of eval::to_json(BenchReport), samples included. kUsage for positions beyond
/// the context or no rounds; otherwise what the device says. A megakernel that is wrong is no error: the report says
/// it, and has no times. A rival that cannot be had, or is wrong, is a note.
Result<eval::BenchReport> measure_bench(const Subject& subject, const eval::BenchRequest& request);

/// The rate at which a plain kernel reads the GPU's memory, bytes a second.
Result<double> measure_bandwidth(int ordinal);

}  // namespace amk::worker
