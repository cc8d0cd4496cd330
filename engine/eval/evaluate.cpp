#include "eval/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "eval/logits.h"
#include "eval/oracle.h"
#include "eval/tolerance.h"
#include "schedule/cost_model.h"
#include "vm/reference/reference_vm.h"

namespace amk::eval {
namespace {

std::vector<uint32_t> random_tokens(const model::ModelConfig& config, uint32_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint32_t>(random.below(config.vocab_size)));
  return tokens;
}

/// The VM's logits of every position, one row after another.
Result<std::vector<float>> run_vm(vm::ReferenceVm& machine, const std::vector<uint32_t>& tokens,
                                  std::vector<uint32_t>& chosen, const EvaluateRequest& request,
                                  std::string_view step) {
  std::vector<float> logits;
  machine.reset();
  chosen.clear();
  for (const uint32_t token : tokens) {
    AMK_TRY(machine.step(token));
    logits.insert(logits.end(), machine.logits().begin(), machine.logits().end());
    chosen.push_back(machine.next_token());
    if (request.progress)
      request.progress(step, static_cast<uint32_t>(chosen.size()), static_cast<uint32_t>(tokens.size()));
  }
  return logits;
}

/// What a comparison row by row says; every field of the verdict that is about correctness.
void compare(const std::vector<float>& expected, const std::vector<float>& found, const std::vector<uint32_t>& chosen,
             const model::ModelConfig& config, abi::Dtype kv_dtype, Verdict& verdict) {
  verdict.tolerance = logit_tolerance(config, largest_magnitude(expected), kv_dtype);
  verdict.compared_positions = static_cast<uint32_t>(chosen.size());
  verdict.max_abs_err = largest_difference(expected, found);
  uint32_t agreed = 0;
  for (size_t row = 0; row < chosen.size(); ++row) {
    const std::span<const float> logits(expected.data() + row * config.vocab_size, config.vocab_size);
    const bool near_tie = top_margin(logits) <= 2 * verdict.tolerance;
    if (near_tie || best_token(logits) == chosen[row]) ++agreed;
  }
  verdict.top1_agreement = static_cast<double>(agreed) / static_cast<double>(chosen.size());
  // Logits that are not finite have no tolerance worth the name: an infinite one would allow everything.
  const bool close = std::isfinite(verdict.max_abs_err) && verdict.max_abs_err <= verdict.tolerance;
  verdict.correct = close && agreed == chosen.size() && verdict.repeatable;
  if (!close) {
    verdict.notes.push_back(fmt::format("expected logits within {:.3g} of the oracle's, found a difference of {:.3g}",
                                        verdict.tolerance, verdict.max_abs_err));
  }
  if (!verdict.repeatable) verdict.notes.emplace_back("two runs of the same tokens gave different bits");
}

Status check_correctness(const EvaluateRequest& request, const validator::ValidatedProgram& program, ThreadPool& pool,
                         Verdict& verdict) {
  const model::ModelConfig& config = request.checkpoint->config();
  const uint32_t context = program->meta.context;
  const std::vector<uint32_t> tokens = random_tokens(config, std::min(request.positions, context), request.seed);
  AMK_ASSIGN_OR_RETURN(vm::ReferenceVm machine, vm::ReferenceVm::create(program, *request.checkpoint, pool));
  std::vector<uint32_t> chosen;
  AMK_ASSIGN_OR_RETURN(const std::vector<float> found, run_vm(machine, tokens, chosen, request, "running"));
  AMK_ASSIGN_OR_RETURN(const std::vector<float> again, run_vm(machine, tokens, chosen, request, "running again"));
  verdict.repeatable = std::memcmp(found.data(), again.data(), found.size() * sizeof(float)) == 0;
  if (request.progress) request.progress("asking the oracle", 0, 1);
  AMK_ASSIGN_OR_RETURN(Oracle oracle, Oracle::create(*request.checkpoint, context, pool, request.kv_dtype));
  AMK_ASSIGN_OR_RETURN(const std::vector<float> expected, oracle.forward(tokens));
  if (request.progress) request.progress("asking the oracle", 1, 1);
  compare(expected, found, chosen, config, request.kv_dtype, verdict);
  return {};
}

void predict_latency(const EvaluateRequest& request, const schedule::Program& program, Verdict& verdict) {
  const schedule::Prediction prediction = schedule::predict(program, *request.target, verdict.latency_position);
  verdict.floor_us = prediction.floor_us;
  verdict.weight_bytes = prediction.weight_bytes;
  if (!verdict.correct) return;  // no latency without correctness
  verdict.latency_us = prediction.latency_us;
  verdict.latency_kind = LatencyKind::kPredicted;
  verdict.notes.push_back(fmt::format(
      "verified on the CPU by the reference VM; the latency is predicted for {}, not measured", request.target->name));
}

}  // namespace

Verdict verdict_of(const validator::Validation& validation) {
  Verdict verdict;
  verdict.outcome = validation.outcome;
  verdict.valid = validation.outcome == validator::Outcome::kAccepted;
  verdict.findings = validation.findings;
  for (const validator::Finding& finding : validation.findings) {
    verdict.finding_texts.push_back(validator::describe(finding, *validation.program));
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
  Evaluation out{verdict_of(validation), validation.validated};
  out.verdict.device = "cpu";
  if (!out.program) return out;
  AMK_TRY(check_correctness(request, *out.program, pool, out.verdict));
  predict_latency(request, out.program->program(), out.verdict);
  return out;
}

}  // namespace amk::eval
