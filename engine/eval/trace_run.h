// Tracing a program on a GPU: gate, several traced launches, the one whose span is the median.
//
// The worker does it (worker/cuda_trace.h); here is what it is asked for, and what it answers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/agreement.h"
#include "eval/measurement.h"
#include "eval/trace_report.h"

namespace amk::eval {

struct TraceRequest {
  uint32_t position = 0;
  uint32_t runs = 21;    ///< traced launches, at least 1; the median one is reported
  uint32_t checked = 4;  ///< positions compared with the oracle, at least 1
  uint64_t seed = 1;
};

struct TraceRun {
  std::string device;   ///< the GPU's name
  Agreement agreement;  ///< with the oracle
  bool repeatable = false;
  double floor_us = 0;
  double bandwidth_bytes_per_second = 0;
  std::vector<double> spans_us;  ///< of every run, sorted
  // Of the run with the median span; empty where the program is not correct.
  std::vector<device::TraceRecord> records;
  std::vector<uint32_t> tasks;
  std::vector<uint32_t> queue_begin;

  [[nodiscard]] bool correct() const { return agreement.agrees() && repeatable; }
};

/// kUsage for a position beyond the context; otherwise what the device says, or Measurer::ask().
Result<TraceRun> run_trace(const TraceRequest& request, const validator::ValidatedProgram& program,
                           const model::Checkpoint& checkpoint, const Measurer& measurer);

}  // namespace amk::eval
