#include "model/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace amk::model {
namespace {

/// A key that is harmless only at the listed values (a JSON array).
struct FixedKey {
  std::string_view key;
  std::string_view accepted;
};

constexpr FixedKey kFixedKeys[] = {
    // Llama's own switches (configuration_llama.py, and forks of it).
    {"attention_bias", "[false, null]"},
    {"hidden_act", R"(["silu"])"},
    {"mlp_bias", "[false, null]"},
    {"partial_rotary_factor", "[1.0, null]"},
    {"pretraining_tp", "[1, null]"},  // above 1, sums are cut into slices and round differently
    {"rope_interleaved", "[false, null]"},
    {"sliding_window", "[null]"},
    {"use_sliding_window", "[false, null]"},
    // What other families add to the same skeleton; at these values nothing is added.
    {"attention_multiplier", "[null]"},
    {"attn_logit_softcapping", "[null]"},
    {"bias", "[false, null]"},
    {"clip_qkv", "[null]"},
    {"embedding_multiplier", "[1.0, null]"},
    {"final_logit_softcapping", "[null]"},
    {"logit_scale", "[1.0, null]"},
    {"logits_scaling", "[1.0, null]"},
    {"num_experts", "[0, null]"},
    {"num_local_experts", "[0, null]"},
    {"qk_norm", "[false, null]"},
    {"qkv_bias", "[false, null]"},
    {"query_pre_attn_scalar", "[null]"},
    {"residual_multiplier", "[1.0, null]"},
    {"use_qk_norm", "[false, null]"},
    // Of every transformers config (configuration_utils.py).
    {"add_cross_attention", "[false, null]"},
    {"auto_map", "[null]"},  // names code outside transformers
    {"chunk_size_feed_forward", "[0, null]"},
    {"compression_config", "[null]"},
    {"cross_attention_hidden_size", "[null]"},
    {"is_encoder_decoder", "[false, null]"},
    {"per_layer_config", "[null, {}]"},
    {"pruned_heads", "[{}, null]"},
    {"quantization_config", "[null]"},
    {"tie_encoder_decoder", "[false, null]"},
    {"use_bfloat16", "[false, null]"},
    // Generation settings of old files that change scores, not only how one is chosen.
    {"bad_words_ids", "[null]"},
    {"begin_suppress_tokens", "[null]"},
    {"encoder_no_repeat_ngram_size", "[0, null]"},
    {"exponential_decay_length_penalty", "[null]"},
    {"forced_bos_token_id", "[null]"},
    {"forced_eos_token_id", "[null]"},
    {"no_repeat_ngram_size", "[0, null]"},
    {"remove_invalid_values", "[false, null]"},
    {"repetition_penalty", "[1.0, null]"},
    {"suppress_tokens", "[null]"},
};

/// Keys that cannot change what the model computes for given tokens, whatever they say, in name order.
constexpr std::string_view kHarmlessKeys[] = {
    // Where the file came from, and which code wrote it.
    "_attn_implementation_autoset",
    "_commit_hash",
    "_from_model_config",
    "_name_or_path",
    "is_llama_config",
    "name_or_path",
    "tokenizer_class",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    // Training: dropout is off and initial values are overwritten when a checkpoint runs.
    "attention_dropout",
    "gradient_checkpointing",
    "initializer_range",
    // What a call returns, or whether it keeps a cache: not what it computes.
    "is_decoder",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "return_dict",
    "return_dict_in_generate",
    "torchscript",
    "use_cache",
    // Tokens that generation never feeds or stops at here, and labels of heads this architecture does not have.
    "decoder_start_token_id",
    "finetuning_task",
    "id2label",
    "label2id",
    "num_labels",
    "pad_token_id",
    "prefix",
    "problem_type",
    "sep_token_id",
    "task_specific_params",
    // How a token is chosen among the scores, in old files: transformers 5 drops these, and callers give their own.
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    // Read by nothing in transformers' Llama: an old name of the context, and Qwen's count of layers with a window,
    // which
    // says nothing while use_sliding_window and sliding_window are off.
    "max_sequence_length",
    "max_window_layers",
};

Status check_fixed_keys(JsonObject& config) {
  for (const FixedKey& row : kFixedKeys) {
    if (!config.has(row.key)) continue;
    const Json accepted = Json::parse(row.accepted);
    const Json& found = config.at(row.key);
    // Types must agree too: JSON's 1 and 1.0 are equal numbers, but 0 is not false.
    const bool ok = std::ranges::any_of(accepted, [&](const Json& value) { return value == found; });
    if (!ok) {
      std::vector<std::string> texts;
      for (const Json& value : accepted) texts.push_back(value.dump());
      return config.refusal(ErrorCode::kUnsupported, row.key, fmt::format("{}", fmt::join(texts, " or ")));
    }
  }
  return {};
}

/// Mistral's and Qwen's list of attention kinds, one a layer.
Status check_layer_types(JsonObject& config) {
  if (!config.has_value("layer_types")) return {};
  const Json& types = config.at("layer_types");
  const bool ok = types.is_array() && std::ranges::all_of(types, [](const Json& t) { return t == "full_attention"; });
  if (!ok) return config.refusal(ErrorCode::kUnsupported, "layer_types", "only \"full_attention\"");
  return {};
}

}  // namespace

Status refuse_unmodelled_keys(JsonObject& config) {
  AMK_TRY(check_fixed_keys(config));
  AMK_TRY(check_layer_types(config));
  for (const std::string_view key : kHarmlessKeys) (void)config.has(key);
  const std::vector<std::string> unread = config.unread();
  if (unread.empty()) return {};
  Error error = config.refusal(ErrorCode::kUnsupported, unread[0], "no such key, as its meaning is not modelled");
  if (unread.size() > 1) {
    std::vector<std::string> others;
    for (size_t i = 1; i < std::min<size_t>(unread.size(), 9); ++i) others.push_back(printable(unread[i]));
    error.message += fmt::format("; nor are {}{}", fmt::join(others, ", "), unread.size() > 9 ? ", ..." : "");
  }
  error.hint = "a key that cannot change the model's output may be deleted from the file";
  return error;
}

}  // namespace amk::model
