// amk trace: where a pass's time goes, on this machine's GPU.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/traced.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/statistics.h"
#include "eval/trace_json.h"
#include "eval/trace_svg.h"

namespace amk::cli {
namespace {

Exit report_wrong(const Json& json, const eval::TraceRun& run, Output& output) {
  if (output.json()) output.document(json);
  output.text(fmt::format("not traced: the megakernel is not correct: {} with the oracle{}\n", run.agreement.text(),
                          run.repeatable ? "" : "; two runs gave different bits"));
  return Exit::kNegative;
}

}  // namespace

Result<Exit> trace(const TraceOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  Progress progress(output);
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<Traced> traced,
                       trace_job(job, options.run, options.position, options.runs, progress));
  progress.stop();
  if (!traced->validation.validated) return report_refusal(eval::verdict_of(traced->validation), output);
  for (const std::string& note : job.notes) output.note(note);
  const Json json = traced->document(options.timeline);
  const eval::TraceRun& run = traced->run;
  if (!run.correct()) return report_wrong(json, run, output);

  const schedule::Program& program = traced->program();
  const std::string title = fmt::format("{} on {}, schedule {}, position {}", program.meta.model, run.device,
                                        program.meta.schedule_id, options.position);
  if (!options.perfetto_file.empty()) {
    AMK_TRY(write_file_atomic(options.perfetto_file, eval::trace_to_perfetto(traced->pass(), traced->timeline)));
  }
  if (!options.svg_file.empty()) AMK_TRY(write_file_atomic(options.svg_file, eval::trace_svg(traced->timeline, title)));
  if (!options.workspace.empty()) {
    AMK_ASSIGN_OR_RETURN(const std::string path, keep_trace(options.workspace, *traced));
    output.note("left in " + path);
  }
  if (output.json()) output.document(json);
  output.text(fmt::format("{}: median of {} traced runs, {:.1f} to {:.1f} us (p10 to p90)\n", title,
                          run.spans_us.size(), eval::quantile(run.spans_us, 0.1), eval::quantile(run.spans_us, 0.9)));
  output.text(eval::trace_text(traced->summary));
  return Exit::kDone;
}

}  // namespace amk::cli
