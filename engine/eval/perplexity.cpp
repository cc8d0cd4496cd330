#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/assert.h"

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

}  // namespace amk::eval
