// Perplexity of a token sequence under a model, from its logits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/machine.h"
#include "model/checkpoint.h"

namespace amk::eval {

/// Negative log-likelihood (nats) of token `target` under `logits` [vocab]: log-sum-exp in double.
double negative_log_likelihood(std::span<const float> logits, uint32_t target);

/// exp of the mean NLL of ids[i + 1] given logits row i, over i in [0, ids.size() - 1). `logits` is row-major
/// [ids.size(), vocab]. At least two ids.
double perplexity(std::span<const float> logits, std::span<const uint32_t> ids);

/// The perplexity of one text, by a machine and by the oracle.
struct PerplexityPair {
  size_t tokens = 0;
  double value = 0;  ///< the machine's
  double oracle = 0;
  bool agrees = false;  ///< the mean log-likelihoods differ by no more than logits within `tolerance` allow
};

/// Runs `ids` (at least two, at most the program's context) from the first position on. Errors are the machine's or the
/// oracle's.
Result<PerplexityPair> compare_perplexity(
    Machine& machine, const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
    std::span<const uint32_t> ids, double tolerance, ThreadPool& pool,
    const std::function<void(std::string_view step, uint32_t done, uint32_t of)>& progress = nullptr);

}  // namespace amk::eval
