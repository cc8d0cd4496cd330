#include "model/model_config.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/files.h"
#include "base/text.h"
#include "model/config_keys.h"
#include "model/json_reader.h"
#include "model/rope_reader.h"

namespace amk::model {
namespace {

constexpr uint64_t kConfigBytesMax = 1ULL << 20;

// Bounds that keep every later product of two sizes inside 64 bits and every size inside 32; the largest published
// Llama has 1/8 of them or less.
constexpr uint64_t kHiddenMax = 1ULL << 20;
constexpr uint64_t kIntermediateMax = 1ULL << 22;
constexpr uint64_t kLayersMax = 4096;
constexpr uint64_t kHeadsMax = 1ULL << 16;
constexpr uint64_t kHeadDimMax = 1024;
constexpr uint64_t kVocabMax = 1ULL << 24;
constexpr uint64_t kContextMax = 1ULL << 24;
constexpr uint64_t kIdMax = UINT32_MAX - 1;

/// What differs between the architectures read here: names, and the defaults of transformers' config classes.
struct Architecture {
  std::string_view name;
  std::string_view model_type;
  std::optional<uint32_t> default_kv_heads;  ///< none: as many as query heads
  uint32_t default_context;
  bool window_by_default;  ///< an absent sliding_window means one (MistralConfig: 4096)
};

constexpr std::array kArchitectures = {
    Architecture{"LlamaForCausalLM", "llama", std::nullopt, 2048, false},
    Architecture{"MistralForCausalLM", "mistral", 8, 4096 * 32, true},
};

std::string architecture_names() {
  std::array<std::string_view, kArchitectures.size()> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kArchitectures[i].name;
  return join(names, " or ");
}

/// By `architectures`, or by `model_type` in a file without it; where both are there they must agree.
Result<Architecture> read_architecture(JsonObject& config) {
  const Architecture* found = nullptr;
  if (config.has_value("architectures")) {
    const Json& names = config.at("architectures");
    if (!names.is_array() || names.size() != 1 || !names[0].is_string()) {
      return config.refusal(ErrorCode::kUnsupported, "architectures", "one of " + architecture_names());
    }
    for (const Architecture& row : kArchitectures) {
      if (names[0] == row.name) found = &row;
    }
    if (found == nullptr) return config.refusal(ErrorCode::kUnsupported, "architectures", architecture_names());
  }
  if (config.has_value("model_type") || found == nullptr) {
    AMK_ASSIGN_OR_RETURN(const std::string type, config.string("model_type"));
    if (found != nullptr && found->model_type != type) {
      return config.refusal(ErrorCode::kUnsupported, "model_type", fmt::format("\"{}\"", found->model_type));
    }
    for (const Architecture& row : kArchitectures) {
      if (type == row.model_type) found = &row;
    }
    if (found == nullptr) return config.refusal(ErrorCode::kUnsupported, "model_type", "\"llama\" or \"mistral\"");
  }
  return *found;
}

Result<uint32_t> read_size(JsonObject& config, std::string_view key, uint64_t max) {
  AMK_ASSIGN_OR_RETURN(const uint64_t value, config.integer(key, 1, max));
  return static_cast<uint32_t>(value);
}

Status read_heads(JsonObject& config, const Architecture& architecture, ModelConfig& out) {
  AMK_ASSIGN_OR_RETURN(out.q_head_count, read_size(config, "num_attention_heads", kHeadsMax));
  out.kv_head_count = out.q_head_count;
  if (config.has_value("num_key_value_heads")) {
    AMK_ASSIGN_OR_RETURN(out.kv_head_count, read_size(config, "num_key_value_heads", kHeadsMax));
  } else if (!config.has("num_key_value_heads")) {
    out.kv_head_count = architecture.default_kv_heads.value_or(out.q_head_count);
  }
  if (out.q_head_count % out.kv_head_count != 0) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("num_key_value_heads: expected a divisor of num_attention_heads, which is {}, found {}",
                             out.q_head_count, out.kv_head_count),
                 config.location(), ""};
  }
  if (config.has_value("head_dim")) {
    AMK_ASSIGN_OR_RETURN(out.head_dim, read_size(config, "head_dim", kHeadDimMax));
  } else if (out.hidden_size % out.q_head_count == 0) {
    out.head_dim = out.hidden_size / out.q_head_count;
  } else {
    return Error{ErrorCode::kBadInput,
                 fmt::format("hidden_size: expected a multiple of num_attention_heads, which is {}, found {}",
                             out.q_head_count, out.hidden_size),
                 config.location(), ""};
  }
  if (out.head_dim % 2 != 0 || out.head_dim > kHeadDimMax || uint64_t{out.q_head_count} * out.head_dim > kHiddenMax) {
    return Error{ErrorCode::kBadInput,
                 fmt::format("head_dim: expected an even number up to {}, and num_attention_heads x head_dim up to {}, "
                             "found {} heads of {}",
                             kHeadDimMax, kHiddenMax, out.q_head_count, out.head_dim),
                 config.location(), ""};
  }
  return {};
}

/// One id, a list of ids, or null for none. Ids beyond the vocabulary are kept: they are never generated.
Result<std::vector<uint32_t>> read_ids(JsonObject& object, std::string_view key) {
  const Json& value = object.at(key);
  std::vector<uint32_t> out;
  if (value.is_null()) return out;
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& element : list) {
    const auto id = as_integer(element, 0, kIdMax);
    if (!id) return object.refusal(ErrorCode::kBadInput, key, "a token id, a list of them or null");
    out.push_back(static_cast<uint32_t>(*id));
  }
  return out;
}

Result<std::vector<uint32_t>> read_bos(JsonObject& object) {
  AMK_ASSIGN_OR_RETURN(std::vector<uint32_t> ids, read_ids(object, "bos_token_id"));
  if (ids.size() > 1) return object.refusal(ErrorCode::kUnsupported, "bos_token_id", "one token id or null");
  return ids;
}

/// Where the keys are absent, transformers' configs say 1 and 2.
Status read_special_ids(JsonObject& config, ModelConfig& out) {
  out.bos_ids = {1};
  out.eos_ids = {2};
  if (config.has("bos_token_id")) {
    AMK_ASSIGN_OR_RETURN(out.bos_ids, read_bos(config));
  }
  if (config.has("eos_token_id")) {
    AMK_ASSIGN_OR_RETURN(out.eos_ids, read_ids(config, "eos_token_id"));
  }
  return {};
}

/// `dtype`, or `torch_dtype` before transformers 4.56; of both, transformers takes the first.
Result<abi::Dtype> read_dtype(JsonObject& config) {
  const bool old_form = config.has_value("torch_dtype");
  const std::string_view key = config.has_value("dtype") ? "dtype" : "torch_dtype";
  if (key == "torch_dtype" && !old_form) return abi::Dtype::kF32;
  AMK_ASSIGN_OR_RETURN(const std::string name, config.string(key));
  if (name == "float32") return abi::Dtype::kF32;
  if (name == "float16") return abi::Dtype::kF16;
  if (name == "bfloat16") return abi::Dtype::kBf16;
  return config.refusal(ErrorCode::kUnsupported, key, "\"float32\", \"float16\" or \"bfloat16\"");
}

Status check_window(JsonObject& config, const Architecture& architecture) {
  if (!architecture.window_by_default || config.has("sliding_window")) return {};
  Error error = config.refusal(ErrorCode::kUnsupported, "sliding_window", "null");
  error.hint = fmt::format("without the key, {} has a window of 4096", architecture.name);
  return error;
}

Result<ModelConfig> read_fields(JsonObject& config, const Architecture& architecture) {
  ModelConfig out;
  out.architecture = architecture.name;
  AMK_ASSIGN_OR_RETURN(out.hidden_size, read_size(config, "hidden_size", kHiddenMax));
  AMK_ASSIGN_OR_RETURN(out.intermediate_size, read_size(config, "intermediate_size", kIntermediateMax));
  AMK_ASSIGN_OR_RETURN(out.layer_count, read_size(config, "num_hidden_layers", kLayersMax));
  AMK_ASSIGN_OR_RETURN(out.vocab_size, read_size(config, "vocab_size", kVocabMax));
  AMK_TRY(read_heads(config, architecture, out));
  out.context_max = architecture.default_context;
  if (config.has("max_position_embeddings")) {
    AMK_ASSIGN_OR_RETURN(out.context_max, read_size(config, "max_position_embeddings", kContextMax));
  }
  out.rms_norm_eps = 1e-6;
  if (config.has("rms_norm_eps")) {
    AMK_ASSIGN_OR_RETURN(out.rms_norm_eps, config.number("rms_norm_eps", 1e-12, 1.0));
  }
  if (config.has("tie_word_embeddings")) {
    AMK_ASSIGN_OR_RETURN(out.tied_head, config.boolean("tie_word_embeddings"));
  }
  AMK_ASSIGN_OR_RETURN(out.rope, read_rope_config(config));
  AMK_ASSIGN_OR_RETURN(out.dtype, read_dtype(config));
  AMK_TRY(read_special_ids(config, out));
  return out;
}

/// Overrides the ids by those of a generation_config.json. Its other keys choose among the tokens the model scores,
/// which is the caller's business here.
Status apply_generation_config(std::string_view text, const std::string& location, ModelConfig& out) {
  AMK_ASSIGN_OR_RETURN(const Json json, parse_json(text, location));
  AMK_ASSIGN_OR_RETURN(JsonObject object, JsonObject::create(json, location, ""));
  if (object.has_value("bos_token_id")) {
    AMK_ASSIGN_OR_RETURN(out.bos_ids, read_bos(object));
  }
  if (object.has_value("eos_token_id")) {
    AMK_ASSIGN_OR_RETURN(out.eos_ids, read_ids(object, "eos_token_id"));
  }
  return {};
}

}  // namespace

Result<ModelConfig> parse_model_config(std::string_view text, const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const Json json, parse_json(text, location));
  AMK_ASSIGN_OR_RETURN(JsonObject config, JsonObject::create(json, location, ""));
  AMK_ASSIGN_OR_RETURN(const Architecture architecture, read_architecture(config));
  AMK_TRY(check_window(config, architecture));
  AMK_ASSIGN_OR_RETURN(ModelConfig out, read_fields(config, architecture));
  AMK_TRY(refuse_unmodelled_keys(config));
  return out;
}

Result<ModelConfig> read_model_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kConfigBytesMax));
  AMK_ASSIGN_OR_RETURN(ModelConfig out, parse_model_config(text, path.string()));
  const std::filesystem::path generation = directory / "generation_config.json";
  std::error_code ignored;  // a file that cannot be seen is reported by the read
  if (std::filesystem::symlink_status(generation, ignored).type() == std::filesystem::file_type::not_found) return out;
  AMK_ASSIGN_OR_RETURN(const std::string generation_text, read_file(generation, kConfigBytesMax));
  AMK_TRY(apply_generation_config(generation_text, generation.string(), out));
  return out;
}

}  // namespace amk::model
