#include "eval/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/comparison.h"
#include "schedule/cost_model.h"

namespace amk::eval {
namespace {

constexpr uint32_t kTimedLaunches = 50;
constexpr uint32_t kWarmupLaunches = 20;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

void predict_latency(const EvaluateRequest& request, const schedule::Program& program, Verdict& verdict) {
  const schedule::Prediction prediction = schedule::predict(program, *request.target, verdict.latency_position);
  verdict.floor_us = prediction.floor_us;
  verdict.weight_bytes = prediction.weight_bytes;
  if (!verdict.correct || verdict.device != "cpu") return;  // no latency without correctness
  verdict.latency_us = prediction.latency_us;
  verdict.latency_kind = LatencyKind::kPredicted;
  verdict.notes.push_back(fmt::format(
      "verified on the CPU by the reference VM; the latency is predicted for {}, not measured", request.target->name));
}

Status measure_latency(Machine& machine, Verdict& verdict) {
  AMK_ASSIGN_OR_RETURN(const Times times, machine.time({{verdict.latency_position}, kTimedLaunches, kWarmupLaunches}));
  verdict.latency_us = median(times.front());
  verdict.latency_kind = LatencyKind::kMeasuredGpu;
  verdict.notes.push_back(fmt::format("verified and measured on {}: the median of {} launches of one pass",
                                      machine.device(), times.front().size()));
  return {};
}

/// Runs, compares and measures. An error is the machine's, or the oracle's.
Status judge(const EvaluateRequest& request, const schedule::Program& program, Machine& machine, ThreadPool& pool,
             Verdict& verdict) {
  AMK_TRY(check_correctness(request, program, machine, pool, verdict));
  if (verdict.correct && machine.is_gpu()) AMK_TRY(measure_latency(machine, verdict));
  return {};
}

}  // namespace

Result<std::vector<float>> OracleMemory::answer(const OracleQuestion& question,
                                                const std::function<Result<std::vector<float>>()>& ask) {
  const std::lock_guard lock(mutex_);
  if (const auto known = answers_.find(question); known != answers_.end()) return known->second;
  AMK_ASSIGN_OR_RETURN(std::vector<float> found, ask());
  answers_.emplace(question, found);
  return found;
}

Verdict verdict_of(const validator::Validation& validation) {
  Verdict verdict;
  verdict.outcome = validation.outcome;
  verdict.valid = validation.outcome == validator::Outcome::kAccepted;
  verdict.findings = validation.findings;
  for (const validator::Finding& finding : validation.findings) {
    verdict.finding_texts.push_back(validator::describe(finding, *validation.program));
    FindingNames& names = verdict.finding_names.emplace_back();
    for (const TaskId task : finding.tasks) names.tasks.push_back(validation.program->task(task).label);
    if (finding.buffer.valid()) names.buffer = validation.program->buffer(finding.buffer).name;
  }
  verdict.schedule_id = validation.program->meta.schedule_id;
  verdict.tasks = validation.program->tasks.size();
  verdict.model = validation.program->meta.model;
  verdict.gpu = validation.program->target;
  return verdict;
}

Result<Evaluation> evaluate(const EvaluateRequest& request, ThreadPool& pool) {
  if (request.positions == 0)
    return Error{ErrorCode::kUsage, "expected at least one position to compare with the oracle, found 0", "", ""};
  const schedule::ModelGraph graph = schedule::build_graph(*request.checkpoint);
  schedule::LowerRequest lowering{&graph, request.target, request.config, request.context, request.kv_dtype};
  if (lowering.context == 0) lowering.context = schedule::default_context(graph.config);
  AMK_ASSIGN_OR_RETURN(schedule::Program program, schedule::lower(lowering, request.dump));
  validator::Validation validation = validator::validate(std::move(program));
  Evaluation out{verdict_of(validation), validation.validated, nullptr};
  out.verdict.device = "cpu";
  if (!out.program) return out;
  AMK_ASSIGN_OR_RETURN(std::unique_ptr<Machine> machine,
                       make_machine(request.machine, *out.program, *request.checkpoint, pool));
  out.machine = std::move(machine);
  out.verdict.device = out.machine->device();
  const Status judged = judge(request, out.program->program(), *out.machine, pool, out.verdict);
  if (!judged && judged.error().code != ErrorCode::kInternal) return judged.error();
  // A latency that could not be measured is no latency either.
  if (!judged) {
    out.verdict.correct = false;
    out.verdict.run_failed = true;
    out.verdict.fault = out.machine->fault();
    out.verdict.notes.push_back("the run failed: " + judged.error().text());
  }
  predict_latency(request, out.program->program(), out.verdict);
  return out;
}

}  // namespace amk::eval
