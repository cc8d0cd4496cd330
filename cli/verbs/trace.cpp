// amk trace: where a pass's time goes, on this machine's GPU.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/statistics.h"
#include "eval/trace_json.h"
#include "eval/trace_run.h"
#include "eval/trace_svg.h"

namespace amk::cli {
namespace {

Json document(const schedule::Program& program, const TraceOptions& options, const eval::TraceRun& run) {
  return {{"model", program.meta.model},
          {"gpu", program.target},
          {"schedule_id", program.meta.schedule_id},
          {"device", run.device},
          {"position", options.position},
          {"correct", run.correct()},
          {"agreement",
           {{"positions", run.agreement.positions},
            {"max_abs_err", json_number(run.agreement.max_abs_err)},
            {"tolerance", json_number(run.agreement.tolerance)},
            {"different_tokens", run.agreement.different_tokens}}},
          {"runs", run.spans_us.size()},
          {"span_p10_us", json_number(eval::quantile(run.spans_us, 0.1))},
          {"span_p90_us", json_number(eval::quantile(run.spans_us, 0.9))},
          {"bandwidth_gbps", json_number(run.bandwidth_bytes_per_second / 1e9)},
          {"trace", nullptr}};
}

Exit report_wrong(const Json& json, const eval::TraceRun& run, Output& output) {
  if (output.json()) output.document(json);
  output.text(fmt::format("not traced: the megakernel is not correct: {} with the oracle{}\n", run.agreement.text(),
                          run.repeatable ? "" : "; two runs gave different bits"));
  return Exit::kNegative;
}

}  // namespace

Result<Exit> trace(const TraceOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  AMK_ASSIGN_OR_RETURN(const MeasuringGpu gpu, find_gpu(job));
  AMK_ASSIGN_OR_RETURN(schedule::Program lowered, lower(job));
  const validator::Validation validation = validator::validate(std::move(lowered));
  if (!validation.validated) return report_refusal(eval::verdict_of(validation), output);
  const schedule::Program& program = validation.validated->program();
  Progress progress(output);
  eval::TraceRequest request;
  request.position = options.position;
  request.runs = options.runs;
  AMK_ASSIGN_OR_RETURN(const eval::TraceRun run, eval::run_trace(request, *validation.validated, job.checkpoint,
                                                                 gpu.measurer(options.run, progress)));
  progress.stop();
  Json json = document(program, options, run);
  for (const std::string& note : job.notes) output.note(note);
  if (!run.correct()) return report_wrong(json, run, output);

  const eval::TracedPass pass{&program, run.records, run.tasks, run.queue_begin};
  AMK_ASSIGN_OR_RETURN(const eval::Timeline timeline, eval::timeline_of(pass));
  const eval::TraceSummary summary = eval::summarize_trace(pass, timeline, run.floor_us);
  const std::string title = fmt::format("{} on {}, schedule {}, position {}", program.meta.model, run.device,
                                        program.meta.schedule_id, options.position);
  if (!options.perfetto_file.empty())
    AMK_TRY(write_file_atomic(options.perfetto_file, eval::trace_to_perfetto(pass, timeline)));
  if (!options.svg_file.empty()) AMK_TRY(write_file_atomic(options.svg_file, eval::trace_svg(timeline, title)));
  json["trace"] = Json::parse(eval::trace_summary_to_json(summary));
  if (output.json()) output.document(json);
  output.text(fmt::format("{}: median of {} traced runs, {:.1f} to {:.1f} us (p10 to p90)\n", title,
                          run.spans_us.size(), eval::quantile(run.spans_us, 0.1), eval::quantile(run.spans_us, 0.9)));
  output.text(eval::trace_text(summary));
  return Exit::kDone;
}

}  // namespace amk::cli
