#include "eval/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace amk::eval {

Status check_sampling(const Sampling& sampling) {
  if (!std::isfinite(sampling.temperature) || sampling.temperature < 0) {
    return Error{ErrorCode::kUsage, fmt::format("expected a temperature of 0 or more, found {}", sampling.temperature),
                 "", ""};
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1)) {
    return Error{ErrorCode::kUsage, fmt::format("expected top-p above 0 and at most 1, found {}", sampling.top_p), "",
                 ""};
  }
  return {};
}

uint32_t Sampler::choose(std::span<const float> logits) {
  const auto greedy = static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  if (sampling_.temperature == 0) return greedy;

  candidates_.clear();
  for (uint32_t i = 0; i < logits.size(); ++i) candidates_.push_back({logits[i], i});
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.index < b.index);
  };
  const size_t kept = sampling_.top_k == 0 ? candidates_.size() : std::min<size_t>(sampling_.top_k, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<long>(kept), candidates_.end(), better);
  candidates_.resize(kept);

  std::vector<double> weights;
  for (const Candidate& candidate : candidates_) {
    weights.push_back(
        std::exp((static_cast<double>(candidate.logit) - candidates_.front().logit) / sampling_.temperature));
  }
  // The smallest prefix whose mass reaches top_p: the candidate that crosses it stays in.
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double mass = 0;
  size_t nucleus = 0;
  while (nucleus < weights.size() && mass < sampling_.top_p * total) mass += weights[nucleus++];

  double draw = random_.uniform() * mass;
  for (size_t i = 0; i < nucleus; ++i) {
    draw -= weights[i];
    if (draw < 0) return candidates_[i].index;
  }
  return nucleus == 0 ? greedy : candidates_[nucleus - 1].index;  // rounding left a crumb of the draw
}

}  // namespace amk::eval
