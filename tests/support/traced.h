// Made-up traces to test reports with.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/trace_report.h"
#include "support/mini_program.h"

namespace amk::test {

/// Two fills on two SMs and their sum: three tasks, one of which waits. Times in whole microseconds.
struct TracedMini {
  MiniProgram mini;
  std::vector<device::TraceRecord> records;
  std::vector<uint32_t> tasks;
  std::vector<uint32_t> queue_begin;
  [[nodiscard]] eval::TracedPass pass() const { return {&mini.program, records, tasks, queue_begin}; }
};
TracedMini traced_mini();

/// A trace of `program`, whose tasks take times that depend on their ids alone.
struct MadeUpTrace {
  explicit MadeUpTrace(const schedule::Program& traced);
  const schedule::Program* program;
  std::vector<device::TraceRecord> records;
  std::vector<uint32_t> tasks;
  std::vector<uint32_t> queue_begin;
  [[nodiscard]] eval::TracedPass pass() const { return {program, records, tasks, queue_begin}; }
};

}  // namespace amk::test
