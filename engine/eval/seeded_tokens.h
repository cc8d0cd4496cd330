// Tokens that stand for a text where nothing is said about one. They mean nothing, and are the same on every machine.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model_config.h"

namespace amk::eval {

/// `count` tokens of the model's vocabulary, each as likely, drawn from a seed.
[[nodiscard]] std::vector<uint32_t> seeded_tokens(const model::ModelConfig& config, uint32_t count, uint64_t seed);

}  // namespace amk::eval
