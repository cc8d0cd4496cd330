// amk eval: the verdict on a schedule, and, where a text is given, its perplexity.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/job.h"
#include "cli/progress.h"
#include "cli/text_tokens.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/perplexity.h"
#include "eval/verdict_json.h"

namespace amk::cli {
namespace {

Result<std::vector<uint32_t>> read_tokens(const std::string& file, const Job& job) {
  AMK_ASSIGN_OR_RETURN(std::vector<uint32_t> ids, text_tokens(file, job.checkpoint, "--perplexity"));
  if (ids.size() >= 2 && ids.size() <= job.context) return ids;
  return Error{ErrorCode::kUsage,
               fmt::format("expected 2 to {} tokens, the context, found {}", job.context, ids.size()), file,
               ids.size() < 2 ? "give a longer text" : "give a shorter text, or a larger --context"};
}

Json to_json(const amk::eval::Verdict& verdict, const std::optional<amk::eval::PerplexityPair>& perplexity) {
  Json out = Json::parse(amk::eval::verdict_to_json(verdict));
  out["perplexity"] = nullptr;
  if (perplexity) {
    out["perplexity"] = {{"tokens", perplexity->tokens},
                         {"value", json_number(perplexity->value)},
                         {"oracle", json_number(perplexity->oracle)}};
  }
  return out;
}

}  // namespace

Result<Exit> eval(const EvalOptions& options, Output& output) {
  AMK_TRY(check_device(options.run.device));
  AMK_ASSIGN_OR_RETURN(const Job job, prepare(options.model, options.schedule));
  std::vector<uint32_t> ids;
  if (!options.perplexity_file.empty()) {
    AMK_ASSIGN_OR_RETURN(ids, read_tokens(options.perplexity_file, job));
  }
  AMK_ASSIGN_OR_RETURN(const Runner runner, choose_runner(options.run, options.schedule, job.target->name, job.probe));
  ThreadPool pool(options.run.threads);
  Progress progress(output);
  amk::eval::EvaluateRequest request{&job.checkpoint,   job.target,   job.config, job.context,
                                     options.positions, options.seed, {},         {}};
  request.machine = runner.machine;
  request.kv_dtype = job.kv_dtype;
  request.progress = [&](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  progress.step("lowering and validating");
  AMK_ASSIGN_OR_RETURN(amk::eval::Evaluation evaluation, amk::eval::evaluate(request, pool));
  amk::eval::Verdict& verdict = evaluation.verdict;
  verdict.notes.insert(verdict.notes.end(), job.notes.begin(), job.notes.end());
  verdict.notes.insert(verdict.notes.end(), runner.notes.begin(), runner.notes.end());
  bool good = verdict.valid && verdict.correct;

  std::optional<amk::eval::PerplexityPair> perplexity;
  // A machine that broke has said so in the verdict.
  if (!ids.empty() && evaluation.program && !verdict.run_failed) {
    AMK_ASSIGN_OR_RETURN(perplexity, compare_perplexity(*evaluation.machine, *evaluation.program, job.checkpoint, ids,
                                                        verdict.tolerance, pool, request.progress));
    if (!perplexity->agrees) verdict.notes.emplace_back("the program's perplexity is not the oracle's");
    good = good && perplexity->agrees;
  }
  progress.stop();
  if (output.json()) output.document(to_json(verdict, perplexity));
  output.text(verdict_text(verdict));
  if (perplexity) {
    output.text(fmt::format("perplexity {:.6f} over {} tokens (the oracle: {:.6f})\n", perplexity->value,
                            perplexity->tokens, perplexity->oracle));
  }
  return good ? Exit::kDone : Exit::kNegative;
}

}  // namespace amk::cli
