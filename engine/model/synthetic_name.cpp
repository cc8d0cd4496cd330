#include "model/synthetic_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/checked.h"
#include "base/text.h"
#include "model/json_reader.h"

namespace amk::model {
namespace {

constexpr std::string_view kPrefix = "synthetic:";
constexpr const char* kExample = "for example synthetic:hidden=2560,layers=20,heads=20,kv_heads=5,vocab=32000";

enum Key : uint8_t { kHidden, kLayers, kHeads, kKvHeads, kHeadDim, kIntermediate, kVocab, kContext, kTied, kKeyCount };
constexpr std::array<std::string_view, kKeyCount> kKeys = {"hidden",       "layers", "heads",   "kv_heads", "head_dim",
                                                           "intermediate", "vocab",  "context", "tied"};

using Values = std::array<std::optional<uint64_t>, kKeyCount>;

Error refuse(const std::string& name, std::string message) {
  return {ErrorCode::kBadInput, std::move(message), printable(name), kExample};
}

/// A size, or for `tied` a truth.
std::optional<uint64_t> value_of(Key key, std::string_view text) {
  if (key == kTied) {
    if (text == "true") return 1;
    return text == "false" ? std::optional<uint64_t>(0) : std::nullopt;
  }
  uint64_t value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = problem == std::errc() && stop == text.data() + text.size();
  return whole && value > 0 && value <= UINT32_MAX ? std::optional(value) : std::nullopt;
}

Status read_pair(const std::string& name, std::string_view pair, Values& values) {
  const size_t equals = std::min(pair.find('='), pair.size());
  const std::string_view key = pair.substr(0, equals);
  const auto* found = std::ranges::find(kKeys, key);
  if (found == kKeys.end()) {
    return refuse(name, fmt::format("expected one of the keys {}, found '{}'{}", join(kKeys), printable(key),
                                    did_you_mean(key, kKeys)));
  }
  const auto which = static_cast<Key>(found - kKeys.begin());
  if (values[which]) return refuse(name, fmt::format("expected {} once, found it twice", key));
  values[which] = value_of(which, equals == pair.size() ? "" : pair.substr(equals + 1));
  if (values[which]) return {};
  return refuse(name, fmt::format("expected {}={}, found '{}'", key,
                                  which == kTied ? "true or false" : "a whole number above 0", printable(pair)));
}

Result<Values> read_pairs(const std::string& name) {
  Values values;
  std::string_view rest = std::string_view(name).substr(kPrefix.size());
  for (bool more = true; more;) {
    const size_t comma = std::min(rest.find(','), rest.size());
    AMK_TRY(read_pair(name, rest.substr(0, comma), values));
    more = comma < rest.size();
    rest.remove_prefix(more ? comma + 1 : comma);
  }
  for (const Key key : {kHidden, kLayers}) {
    if (!values[key]) return refuse(name, fmt::format("expected {}=N, found none", kKeys[key]));
  }
  return values;
}

/// The sizes of attention that were left out, from those that were not.
Status derive_heads(const std::string& name, Values& values) {
  const uint64_t hidden = *values[kHidden];
  if (!values[kHeadDim] && !values[kHeads]) values[kHeadDim] = hidden >= 2560 && hidden % 128 == 0 ? 128 : 64;
  std::optional<uint64_t>& missing = values[kHeads] ? values[kHeadDim] : values[kHeads];
  const uint64_t divisor = values[kHeads] ? *values[kHeads] : *values[kHeadDim];
  if (!missing) {
    if (hidden % divisor != 0) {
      return refuse(name, fmt::format("expected a hidden size that {} {} divides, or both heads and head_dim, found {}",
                                      values[kHeads] ? "heads" : "head_dim", divisor, hidden));
    }
    missing = hidden / divisor;
  }
  const uint64_t heads = *values[kHeads];
  if (!values[kKvHeads]) values[kKvHeads] = heads % 4 == 0 ? heads / 4 : heads % 3 == 0 ? heads / 3 : heads;
  return {};
}

}  // namespace

bool is_synthetic_shape(std::string_view name) {
  return name.starts_with(kPrefix) && name.find('=') != std::string_view::npos;
}

Result<ModelConfig> synthetic_shape(const std::string& name) {
  AMK_ASSIGN_OR_RETURN(Values values, read_pairs(name));
  AMK_TRY(derive_heads(name, values));
  const uint64_t intermediate = values[kIntermediate].value_or(ceil_div(*values[kHidden] * 8, uint64_t{3 * 256}) * 256);
  const std::string text = fmt::format(
      R"({{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {}, "intermediate_size": {},
       "num_hidden_layers": {}, "num_attention_heads": {}, "num_key_value_heads": {}, "head_dim": {}, "vocab_size": {},
       "max_position_embeddings": {}, "rms_norm_eps": 1e-5, "tie_word_embeddings": {}, "dtype": "bfloat16",
       "bos_token_id": null, "eos_token_id": null}})",
      *values[kHidden], intermediate, *values[kLayers], *values[kHeads], *values[kKvHeads], *values[kHeadDim],
      values[kVocab].value_or(32000), values[kContext].value_or(8192), values[kTied].value_or(0) != 0);
  return parse_model_config(text, printable(name));
}

}  // namespace amk::model
