// amk eval: the verdict on a schedule, and, where a text is given, its perplexity.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/files.h"
#include "cli/job.h"
#include "cli/progress.h"
#include "cli/verbs/verbs.h"
#include "cli/verdict_text.h"
#include "eval/evaluate.h"
#include "eval/oracle.h"
#include "eval/perplexity.h"
#include "eval/verdict_json.h"
#include "model/tokenizer.h"
#include "vm/reference/reference_vm.h"

namespace amk::cli {
namespace {

constexpr uint64_t kTextBytesMax = 64ULL << 20;
constexpr size_t kOracleBatch = 32;  ///< positions the oracle is fed at once: bounds the logits it returns

struct Perplexity {
  size_t tokens = 0;
  double value = 0;  ///< the program's
  double oracle = 0;
  bool agrees = false;
};

Result<std::vector<uint32_t>> read_tokens(const std::string& file, const Job& job) {
  if (job.checkpoint.directory().empty()) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a model with a tokenizer, found the built-in {}", job.checkpoint.name()),
                 "--perplexity", ""};
  }
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(file, kTextBytesMax));
  AMK_ASSIGN_OR_RETURN(const model::Tokenizer tokenizer, model::Tokenizer::open(job.checkpoint.directory()));
  AMK_ASSIGN_OR_RETURN(std::vector<uint32_t> ids, tokenizer.encode(text, true));
  if (ids.size() >= 2 && ids.size() <= job.context) return ids;
  return Error{ErrorCode::kUsage,
               fmt::format("expected 2 to {} tokens, the context, found {}", job.context, ids.size()), file,
               ids.size() < 2 ? "give a longer text" : "give a shorter text, or a larger --context"};
}

/// Sum of the negative log-likelihoods under the program.
Result<double> program_nll(const validator::ValidatedProgram& program, const Job& job, std::span<const uint32_t> ids,
                           ThreadPool& pool, Progress& progress) {
  AMK_ASSIGN_OR_RETURN(vm::ReferenceVm machine, vm::ReferenceVm::create(program, job.checkpoint, pool));
  double sum = 0;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    AMK_TRY(machine.step(ids[i]));
    sum += amk::eval::negative_log_likelihood(machine.logits(), ids[i + 1]);
    progress.step("perplexity of the program", static_cast<uint32_t>(i + 1), static_cast<uint32_t>(ids.size()));
  }
  return sum;
}

Result<double> oracle_nll(const Job& job, std::span<const uint32_t> ids, ThreadPool& pool, Progress& progress) {
  AMK_ASSIGN_OR_RETURN(amk::eval::Oracle oracle,
                       amk::eval::Oracle::create(job.checkpoint, job.context, pool, job.kv_dtype));
  const size_t vocab = job.checkpoint.config().vocab_size;
  double sum = 0;
  for (size_t begin = 0; begin + 1 < ids.size();) {
    const size_t count = std::min(kOracleBatch, ids.size() - 1 - begin);
    AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, oracle.forward(ids.subspan(begin, count)));
    for (size_t i = 0; i < count; ++i) {
      sum += amk::eval::negative_log_likelihood(std::span(logits).subspan(i * vocab, vocab), ids[begin + i + 1]);
    }
    begin += count;
    progress.step("perplexity of the oracle", static_cast<uint32_t>(begin), static_cast<uint32_t>(ids.size()));
  }
  return sum;
}

Result<Perplexity> measure_perplexity(const validator::ValidatedProgram& program, const Job& job,
                                      std::span<const uint32_t> ids, double tolerance, ThreadPool& pool,
                                      Progress& progress) {
  AMK_ASSIGN_OR_RETURN(const double ours, program_nll(program, job, ids, pool, progress));
  AMK_ASSIGN_OR_RETURN(const double theirs, oracle_nll(job, ids, pool, progress));
  const double predictions = static_cast<double>(ids.size() - 1);
  // A logit moved by e moves a log-likelihood by at most 2 e (log-sum-exp moves by at most e).
  const bool agrees = std::abs(ours - theirs) / predictions <= 2 * tolerance;
  return Perplexity{ids.size(), std::exp(ours / predictions), std::exp(theirs / predictions), agrees};
}

Json to_json(const amk::eval::Verdict& verdict, const std::optional<Perplexity>& perplexity) {
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
  ThreadPool pool(options.run.threads);
  Progress progress(output);
  amk::eval::EvaluateRequest request{&job.checkpoint,   job.target,   job.config, job.context,
                                     options.positions, options.seed, {},         {}};
  request.kv_dtype = job.kv_dtype;
  request.progress = [&](std::string_view step, uint32_t done, uint32_t of) { progress.step(step, done, of); };
  progress.step("lowering and validating");
  AMK_ASSIGN_OR_RETURN(amk::eval::Evaluation evaluation, amk::eval::evaluate(request, pool));
  amk::eval::Verdict& verdict = evaluation.verdict;
  verdict.notes.insert(verdict.notes.end(), job.notes.begin(), job.notes.end());
  bool good = verdict.valid && verdict.correct;

  std::optional<Perplexity> perplexity;
  if (!ids.empty() && evaluation.program) {
    AMK_ASSIGN_OR_RETURN(perplexity,
                         measure_perplexity(*evaluation.program, job, ids, verdict.tolerance, pool, progress));
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
