#include "cli/traced.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "eval/statistics.h"
#include "eval/trace_json.h"
#include "search/trace_file.h"

namespace amk::cli {

Json Traced::document(bool with_timeline) const {
  Json out = {{"model", program().meta.model},
              {"gpu", program().target},
              {"schedule_id", program().meta.schedule_id},
              {"device", run.device},
              {"position", position},
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
  if (!run.correct()) return out;
  out["trace"] = Json::parse(eval::trace_summary_to_json(summary));
  if (with_timeline) out["timeline"] = Json::parse(eval::timeline_to_json(timeline));
  return out;
}

Result<std::unique_ptr<Traced>> trace_job(const Job& job, const RunOptions& options, uint32_t position, uint32_t runs,
                                          Progress& progress) {
  AMK_ASSIGN_OR_RETURN(const MeasuringGpu gpu, find_gpu(job));
  AMK_ASSIGN_OR_RETURN(schedule::Program lowered, lower(job));
  auto out = std::make_unique<Traced>(Traced{validator::validate(std::move(lowered)), {}, position, {}, {}});
  if (!out->validation.validated) return out;
  eval::TraceRequest request;
  request.position = position;
  request.runs = runs;
  AMK_ASSIGN_OR_RETURN(
      out->run, eval::run_trace(request, *out->validation.validated, job.checkpoint, gpu.measurer(options, progress)));
  if (!out->run.correct()) return out;
  AMK_ASSIGN_OR_RETURN(out->timeline, eval::timeline_of(out->pass()));
  out->summary = eval::summarize_trace(out->pass(), out->timeline, out->run.floor_us);
  return out;
}

Result<std::string> keep_trace(const std::string& workspace, const Traced& traced) {
  Json whole = traced.document(true);
  whole["made"] =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::filesystem::path path = search::trace_path(workspace, traced.program().meta.model, traced.program().target,
                                                        traced.program().meta.schedule_id, traced.position);
  std::error_code problem;
  std::filesystem::create_directories(path.parent_path(), problem);
  AMK_TRY(write_file_atomic(path, whole.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return path.string();
}

}  // namespace amk::cli
