// One schedule of a model, traced on this machine's GPU: what the trace verb shows, and report draws.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/job.h"
#include "cli/output.h"
#include "eval/trace_run.h"
#include "validator/validator.h"

namespace amk::cli {

struct Traced {
  validator::Validation validation;  ///< where it refuses, nothing was run
  eval::TraceRun run;
  uint32_t position = 0;
  eval::Timeline timeline;     ///< empty where the program is not correct
  eval::TraceSummary summary;  ///< likewise
  [[nodiscard]] const schedule::Program& program() const { return validation.validated->program(); }
  [[nodiscard]] eval::TracedPass pass() const { return {&program(), run.records, run.tasks, run.queue_begin}; }
  /// As docs/cli.md has it; `trace` is null where the program is not correct.
  [[nodiscard]] Json document(bool with_timeline) const;
};

/// Errors as find_gpu(), lower() and eval::run_trace(). `runs` launches; the median one is it.
Result<std::unique_ptr<Traced>> trace_job(const Job& job, const RunOptions& options, uint32_t position, uint32_t runs,
                                          Progress& progress);

/// Leaves the trace of a correct program in a workspace (search/trace_file.h); the path.
Result<std::string> keep_trace(const std::string& workspace, const Traced& traced);

}  // namespace amk::cli
