// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace amk::eval {

struct Sampling {
  double temperature = 0;  ///< 0 is greedy
  uint32_t top_k = 0;      ///< keep the k best; 0 keeps all
  double top_p = 1;        ///< then keep the fewest whose probabilities sum to p; 1 keeps all
  uint64_t seed = 0;
};

/// kUsage: temperature negative or not finite, top_p outside (0, 1].
Status check_sampling(const Sampling& sampling);

/// Draws from softmax(logits / temperature), cut by top-k and then top-p as transformers does it
/// (generation/logits_process.py: TopKLogitsWarper, TopPLogitsWarper),
/// except that of logits tied at the k-th place the lowest indices are kept, where transformers keeps all. The draw
/// depends on the seed and on how many were made before, so a run can be replayed.
class Sampler {
 public:
  explicit Sampler(const Sampling& sampling) : sampling_(sampling), random_(sampling.seed) {}

  /// Index of the chosen logit; with temperature 0 the largest, the lowest index winning a tie. `logits` is not empty.
  uint32_t choose(std::span<const float> logits);

 private:
  struct Candidate {
    float logit;
    uint32_t index;
  };
  Sampling sampling_;
  Random random_;
  std::vector<Candidate> candidates_;
};

}  // namespace amk::eval
