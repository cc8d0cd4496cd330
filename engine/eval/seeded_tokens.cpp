#include "eval/seeded_tokens.h"

#include "base/random.h"

namespace amk::eval {

std::vector<uint32_t> seeded_tokens(const model::ModelConfig& config, uint32_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<uint32_t>(random.below(config.vocab_size)));
  return tokens;
}

}  // namespace amk::eval
