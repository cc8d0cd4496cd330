// Perplexity of a token sequence under a model, from its logits.
#pragma once

#include <cstdint>
#include <span>

namespace amk::eval {

/// Negative log-likelihood (nats) of token `target` under `logits` [vocab]: log-sum-exp in double.
double negative_log_likelihood(std::span<const float> logits, uint32_t target);

/// exp of the mean NLL of ids[i + 1] given logits row i, over i in [0, ids.size() - 1). `logits` is row-major
/// [ids.size(), vocab]. At least two ids.
double perplexity(std::span<const float> logits, std::span<const uint32_t> ids);

}  // namespace amk::eval
