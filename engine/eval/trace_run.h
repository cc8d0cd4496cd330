// Tracing a program on a GPU: gate, several traced launches, the one whose span is the median.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/agreement.h"
#include "eval/trace_report.h"
#include "model/checkpoint.h"
#include "validator/validator.h"
#include "vm/cuda/driver.h"

namespace amk::eval {

struct TraceRequest {
  const validator::ValidatedProgram* program = nullptr;
  const model::Checkpoint* checkpoint = nullptr;
  uint32_t position = 0;
  uint32_t runs = 21;    ///< traced launches, at least 1; the median one is reported
  uint32_t checked = 4;  ///< positions compared with the oracle, at least 1
  uint64_t seed = 1;
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

struct TraceRun {
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

/// kUsage for a position beyond the context; otherwise what the device says.
Result<TraceRun> run_trace(const TraceRequest& request, vm::cuda::Device& device, ThreadPool& pool);

}  // namespace amk::eval
