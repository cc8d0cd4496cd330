#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/assert.h"
#include "eval/oracle.h"

namespace amk::eval {

double negative_log_likelihood(std::span<const float> logits, uint32_t target) {
  AMK_ASSERT(target < logits.size(), "the target is a token of the vocabulary");
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return std::log(sum) + (top - static_cast<double>(logits[target]));
}

double perplexity(std::span<const float> logits, std::span<const uint32_t> ids) {
  AMK_ASSERT(ids.size() >= 2, "a token is predicted from the one before it");
  AMK_ASSERT(logits.size() % ids.size() == 0, "one row of logits for each token");
  const size_t vocab = logits.size() / ids.size();
  double total = 0.0;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    total += negative_log_likelihood(logits.subspan(i * vocab, vocab), ids[i + 1]);
  }
  return std::exp(total / static_cast<double>(ids.size() - 1));
}

namespace {

using Progress = std::function<void(std::string_view step, uint32_t done, uint32_t of)>;

constexpr size_t kOracleBatch = 32;  // positions the oracle is fed at once: bounds the logits it returns

/// Sum of the negative log-likelihoods under the machine.
Result<double> machine_nll(Machine& machine, std::span<const uint32_t> ids, const Progress& progress) {
  AMK_TRY(machine.reset());
  double sum = 0;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    AMK_TRY(machine.step(ids[i]));
    AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, machine.logits());
    sum += negative_log_likelihood(logits, ids[i + 1]);
    if (progress)
      progress("perplexity of the program", static_cast<uint32_t>(i + 1), static_cast<uint32_t>(ids.size()));
  }
  return sum;
}

Result<double> oracle_nll(Oracle& oracle, std::span<const uint32_t> ids, size_t vocab, const Progress& progress) {
  double sum = 0;
  for (size_t begin = 0; begin + 1 < ids.size();) {
    const size_t count = std::min(kOracleBatch, ids.size() - 1 - begin);
    AMK_ASSIGN_OR_RETURN(const std::vector<float> logits, oracle.forward(ids.subspan(begin, count)));
    for (size_t i = 0; i < count; ++i) {
      sum += negative_log_likelihood(std::span(logits).subspan(i * vocab, vocab), ids[begin + i + 1]);
    }
    begin += count;
    if (progress) progress("perplexity of the oracle", static_cast<uint32_t>(begin), static_cast<uint32_t>(ids.size()));
  }
  return sum;
}

}  // namespace

Result<PerplexityPair> compare_perplexity(Machine& machine, const validator::ValidatedProgram& program,
                                          const model::Checkpoint& checkpoint, std::span<const uint32_t> ids,
                                          double tolerance, ThreadPool& pool, const Progress& progress) {
  AMK_ASSERT(ids.size() >= 2, "a token is predicted from the one before it");
  AMK_ASSIGN_OR_RETURN(const double ours, machine_nll(machine, ids, progress));
  AMK_ASSIGN_OR_RETURN(Oracle oracle,
                       Oracle::create(checkpoint, program->meta.context, pool, schedule::kv_dtype(program.program())));
  AMK_ASSIGN_OR_RETURN(const double theirs, oracle_nll(oracle, ids, checkpoint.config().vocab_size, progress));
  const double predictions = static_cast<double>(ids.size() - 1);
  // A logit moved by e moves a log-likelihood by at most 2 e (log-sum-exp moves by at most e).
  const bool agrees = std::abs(ours - theirs) / predictions <= 2 * tolerance;
  return PerplexityPair{ids.size(), std::exp(ours / predictions), std::exp(theirs / predictions), agrees};
}

}  // namespace amk::eval
