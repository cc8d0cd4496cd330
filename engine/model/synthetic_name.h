// Synthetic models of any shape, by name: "synthetic:hidden=2560,layers=20" and, after those two, what is not derived.
//
// Owns the keys, what they default to, and the refusals. What the sizes may be is model_config's: the name is read as
// the config.json that it stands for.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/model_config.h"

namespace amk::model {

/// Whether a name is of this form: "synthetic:" and a '=' somewhere after it.
[[nodiscard]] bool is_synthetic_shape(std::string_view name);

/// The config that such a name stands for: Llama, bf16, no special tokens, plain rotary positions. Keys that are left
/// out: head_dim 128 from a hidden size of 2,560 on, else 64; heads = hidden / head_dim; kv_heads a quarter of them, or
/// a third, or all; intermediate 8/3 of hidden, up to a multiple of 256; vocab 32,000; context 8,192; tied false.
/// kBadInput for a key that is unknown, twice or without a legal value, and for sizes that do not fit together.
Result<ModelConfig> synthetic_shape(const std::string& name);

}  // namespace amk::model
