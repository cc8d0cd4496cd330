#include "eval/trace_run.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/measurement_json.h"

namespace amk::eval {
namespace {

/// What of a run does not fit its request; empty where all does. timeline_of() looks at the records themselves.
std::string misfit(const TraceRun& run, const TraceRequest& request, const schedule::Program& program) {
  if (!run.correct()) return run.records.empty() ? "" : "a trace of a megakernel that is not correct";
  if (run.spans_us.size() != request.runs) return fmt::format("{} runs, not {}", run.spans_us.size(), request.runs);
  if (run.tasks.size() != program.tasks.size())
    return fmt::format("a trace of {} tasks, not {}", run.tasks.size(), program.tasks.size());
  if (run.queue_begin.empty() || run.queue_begin.back() != run.tasks.size() ||
      !std::is_sorted(run.queue_begin.begin(), run.queue_begin.end())) {
    return "queues that are none of the tasks'";
  }
  if (std::ranges::any_of(run.tasks, [&](uint32_t task) { return task >= program.tasks.size(); }))
    return "a task that the program does not have";
  return "";
}

}  // namespace

Result<TraceRun> run_trace(const TraceRequest& request, const validator::ValidatedProgram& program,
                           const model::Checkpoint& checkpoint, const Measurer& measurer) {
  AMK_ASSIGN_OR_RETURN(const ipc::Json reply, measurer.ask("trace_runs", to_json(request), program, checkpoint));
  TraceRun run;
  try {
    Result<TraceRun> read = trace_run_from(reply);
    if (!read) return measurer.nonsense(read.error().message);
    run = std::move(*read);
  } catch (const ipc::Json::exception& problem) {
    return measurer.nonsense(problem.what());
  }
  if (const std::string found = misfit(run, request, program.program()); !found.empty())
    return measurer.nonsense(found);
  return run;
}

}  // namespace amk::eval
