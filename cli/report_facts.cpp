#include "cli/report_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/files.h"
#include "cli/traced.h"
#include "schedule/cost_model.h"
#include "schedule/lowering.h"
#include "schedule/model_graph.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::TimelinePicture;

constexpr uint32_t kTracedRuns = 21;

/// A campaign's model, opened, with its graph.
struct Opened {
  Job job;
  schedule::ModelGraph graph;
  uint32_t position = 0;

  [[nodiscard]] Result<schedule::Program> program(const schedule::ScheduleConfig& config) const {
    return schedule::lower({&graph, job.target, config, job.context, job.kv_dtype});
  }
};

Result<Opened> open_model(const Campaign& campaign, const RunOptions& run) {
  const LoopOptions options = options_of(campaign, "", run);
  AMK_ASSIGN_OR_RETURN(Job job, prepare(options.model, options.schedule));
  if (job.checkpoint.name() != campaign.header.model_name) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("expected the model {}, found {}", campaign.header.model_name, job.checkpoint.name()),
                 options.model, "run amk where the campaign was begun"};
  }
  schedule::ModelGraph graph = schedule::build_graph(job.checkpoint);
  return Opened{std::move(job), std::move(graph), campaign.header.position};
}

/// The cost model's timeline: what it has of each task.
eval::Timeline predicted_timeline(const schedule::Program& program, const Opened& model) {
  eval::Timeline out;
  out.sms = static_cast<uint32_t>(program.placement.queues.size());
  for (const schedule::PlayedTask& of : schedule::play_out(program, *model.job.target, model.position)) {
    eval::TaskTimes times;
    times.task = of.task;
    times.sm = of.sm;
    times.free_us = of.free_us;
    times.begin_us = of.free_us;
    times.inputs_us = of.ready_us;
    times.staged_us = of.ready_us;
    times.done_us = std::min(of.ready_us + of.stream_us, of.end_us);
    times.published_us = of.end_us;
    out.span_us = std::max(out.span_us, of.end_us);
    out.tasks.push_back(times);
  }
  return out;
}

/// Predictions of every trial that was measured.
std::vector<std::optional<double>> predictions(const Campaign& campaign, const Opened& model, uint32_t threads,
                                               Progress& progress) {
  std::vector<std::optional<double>> out(campaign.trials.size());
  ThreadPool pool(threads);
  std::atomic<size_t> next{0};
  pool.run_on_all([&](size_t) {
    for (size_t i = next++; i < out.size(); i = next++) {
      if (!campaign.trials[i].measurement) continue;
      progress.step("predicting what was measured", static_cast<uint32_t>(i), static_cast<uint32_t>(out.size()));
      const Result<schedule::Program> program = model.program(campaign.trials[i].proposal.config);
      if (program) out[i] = schedule::predict(*program, *model.job.target, model.position).latency_us;
    }
  });
  return out;
}

TimelinePicture picture_of(search::TraceFile trace) {
  return {std::move(*trace.timeline), eval::LatencyKind::kMeasuredGpu, trace.schedule_id,
          fmt::format("traced on {}", trace.device)};
}

Result<std::optional<TimelinePicture>> named_trace(const std::string& file) {
  if (file.empty()) return std::optional<TimelinePicture>();
  AMK_ASSIGN_OR_RETURN(search::TraceFile trace, search::read_trace(file));
  if (trace.timeline) return std::optional(picture_of(std::move(trace)));
  return Error{ErrorCode::kBadInput, "expected a trace with its timeline, found none in it", file,
               "amk trace --timeline --json writes one"};
}

/// Traces a schedule here and keeps the trace in the workspace.
Result<TimelinePicture> trace_here(Opened& model, const schedule::ScheduleConfig& config, const FactOptions& options,
                                   Progress& progress) {
  const schedule::ScheduleConfig before = std::exchange(model.job.config, config);
  Result<std::unique_ptr<Traced>> traced = trace_job(model.job, options.run, model.position, kTracedRuns, progress);
  model.job.config = before;
  if (!traced) return traced.error();
  if (!(*traced)->validation.validated || !(*traced)->run.correct()) {
    return Error{ErrorCode::kBadInput, "expected a schedule that is correct on this GPU, found one that is not",
                 "--trace", "amk eval says more of it"};
  }
  AMK_ASSIGN_OR_RETURN(const std::string path, keep_trace(options.workspace.string(), **traced));
  AMK_ASSIGN_OR_RETURN(search::TraceFile kept, search::read_trace(path));
  return picture_of(std::move(kept));
}

Status find_traces(search::ReportSubject& out, const FactOptions& options, Opened* model, Progress& progress) {
  const Campaign& campaign = *out.campaign;
  const bool same = campaign.start.schedule_id == campaign.incumbent.schedule_id;
  AMK_ASSIGN_OR_RETURN(out.before, named_trace(options.trace_before));
  AMK_ASSIGN_OR_RETURN(out.after, named_trace(options.trace_after));
  if (options.trace && model != nullptr && !out.before) {
    AMK_ASSIGN_OR_RETURN(out.before, trace_here(*model, campaign.start.config, options, progress));
  }
  if (options.trace && model != nullptr && !out.after && !same) {
    AMK_ASSIGN_OR_RETURN(out.after, trace_here(*model, campaign.incumbent.config, options, progress));
  }
  const auto look = [&](const std::string& schedule_id) -> std::optional<TimelinePicture> {
    std::optional<search::TraceFile> found = search::newest_trace(
        options.workspace, campaign.header.model_name, campaign.header.target, schedule_id, campaign.header.position);
    return found && found->timeline ? std::optional(picture_of(std::move(*found))) : std::nullopt;
  };
  if (!out.before) out.before = look(campaign.start.schedule_id);
  if (!out.after && !same) out.after = look(campaign.incumbent.schedule_id);
  return {};
}

/// Pictures of the cost model where there is no trace at all; and what would bring the missing ones.
void complete_timelines(search::ReportSubject& out, const FactOptions& options, const Opened* model) {
  const Campaign& campaign = *out.campaign;
  const bool same = campaign.start.schedule_id == campaign.incumbent.schedule_id;
  if (out.before && (out.after || same)) return;
  const std::string how = fmt::format(
      "On a machine with the GPU, amk trace {} --schedule JSON --workspace {} leaves the trace of a schedule, or amk "
      "report --trace traces both.",
      command_words(campaign.header), options.workspace.string());
  if (out.before || out.after) {
    out.timeline_missing =
        fmt::format("There is no trace of {}. {}", out.before ? "the best schedule" : "the start", how);
    return;
  }
  if (model == nullptr) {
    out.timeline_missing = "There is no trace of either schedule. " + how;
    return;
  }
  const auto predicted = [&](const search::Incumbent& of) -> std::optional<TimelinePicture> {
    const Result<schedule::Program> program = model->program(of.config);
    if (!program) return std::nullopt;
    return TimelinePicture{predicted_timeline(*program, *model), eval::LatencyKind::kPredicted, of.schedule_id,
                           "the cost model's playback"};
  };
  out.before = predicted(campaign.start);
  if (!same) out.after = predicted(campaign.incumbent);
  out.timeline_missing =
      "These timelines are predicted, by the cost model's playback of each task; nothing was traced. " + how;
}

std::string trace_sentence(const search::TraceFile& of) {
  return fmt::format(
      "the last trace of the model, of schedule {} on {} at position {}: {:.1f} us, of which streaming {:.1f}, "
      "computing {:.1f}, waiting {:.1f}, skew {:.1f}: bottleneck {}, largest loss {}",
      of.schedule_id, of.device, of.position, of.span_us, of.stream_us, of.compute_us, of.wait_us, of.skew_us,
      eval::bottleneck_name(of.bottleneck), eval::bottleneck_name(of.largest_loss));
}

BottleneckFound of_trace(search::TraceFile trace) {
  BottleneckFound out{"trace", trace.bottleneck, trace.largest_loss, "by " + trace_sentence(trace), {}};
  out.trace = std::move(trace);
  return out;
}

BottleneckFound of_prediction(const schedule::Prediction& of) {
  const bool waits = of.wait_us > of.stream_us;
  const eval::Bottleneck bottleneck = waits ? eval::Bottleneck::kWait : eval::Bottleneck::kStream;
  // The cost model knows nothing of computing and skew: its loss is what its critical path does most.
  return {"cost-model",
          bottleneck,
          bottleneck,
          fmt::format("by the cost model (predicted): the critical path waits {:.1f} us and streams {:.1f} us, over {} "
                      "levels: bottleneck {}",
                      of.wait_us, of.stream_us, of.levels, of.bottleneck()),
          {}};
}

}  // namespace

LoopOptions options_of(const Campaign& campaign, const std::string& workspace, const RunOptions& run) {
  const search::CampaignHeader& about = campaign.header;
  LoopOptions out;
  out.model = about.model;
  out.schedule.gpu = about.target;
  out.schedule.context = about.context;
  out.schedule.weights = about.weights == "stored" ? "" : about.weights;
  out.schedule.kv_dtype = about.kv_dtype;
  out.run = run;
  out.run.device = about.kind == eval::LatencyKind::kMeasuredGpu ? "cuda" : "cpu";
  out.workspace = workspace;
  out.campaign = campaign.name;
  out.position = about.position;
  return out;
}

std::string command_words(const search::CampaignHeader& about) {
  return fmt::format("{} --gpu {} --context {} --kv-dtype {}{}{}", about.model, about.target, about.context,
                     about.kv_dtype, about.weights == "stored" ? "" : " --weights " + about.weights,
                     about.position == 0 ? "" : fmt::format(" --position {}", about.position));
}

Result<search::ReportSubject> report_subject(const Campaign& campaign, const FactOptions& options, Progress& progress) {
  search::ReportSubject out;
  out.campaign = &campaign;
  Result<Opened> model = open_model(campaign, options.run);
  if (!model) {
    if (options.trace) return model.error();
    out.unknown = model.error().text();
  }
  AMK_TRY(find_traces(out, options, model ? &*model : nullptr, progress));
  complete_timelines(out, options, model ? &*model : nullptr);
  std::optional<search::TraceFile> trace =
      search::newest_trace(options.workspace, campaign.header.model_name, campaign.header.target);
  if (trace) out.bottleneck = "Where its time goes, " + of_trace(std::move(*trace)).text + ".";
  if (!model) return out;
  const auto bytes = [&](const schedule::ScheduleConfig& config) -> std::optional<schedule::Prediction> {
    const Result<schedule::Program> program = model->program(config);
    if (!program) return std::nullopt;
    return schedule::predict(*program, *model->job.target, model->position);
  };
  if (const auto start = bytes(campaign.start.config)) out.start_bytes = start->weight_bytes + start->history_bytes;
  if (const auto best = bytes(campaign.incumbent.config)) {
    out.best_bytes = best->weight_bytes + best->history_bytes;
    if (out.bottleneck.empty()) out.bottleneck = "Where its time goes, " + of_prediction(*best).text + ".";
  }
  if (campaign.header.kind == eval::LatencyKind::kMeasuredGpu)
    out.predicted_us = predictions(campaign, *model, options.run.threads, progress);
  return out;
}

Result<BottleneckFound> find_bottleneck(const Campaign& campaign, const std::filesystem::path& workspace,
                                        const RunOptions& run) {
  std::optional<search::TraceFile> trace =
      search::newest_trace(workspace, campaign.header.model_name, campaign.header.target);
  if (trace) return of_trace(std::move(*trace));
  AMK_ASSIGN_OR_RETURN(const Opened model, open_model(campaign, run));
  AMK_ASSIGN_OR_RETURN(const schedule::Program program, model.program(campaign.incumbent.config));
  return of_prediction(schedule::predict(program, *model.job.target, model.position));
}

Result<ReportPaths> write_report(const search::Report& report, const std::filesystem::path& directory) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  const ReportPaths out{(directory / "report.html").string(), (directory / "report.md").string()};
  AMK_TRY(write_file_atomic(out.html, search::report_html(report)));
  AMK_TRY(write_file_atomic(out.markdown, search::report_markdown(report)));
  return out;
}

}  // namespace amk::cli
