// What a checkpoint's config.json says, reduced to what the engine models.
//
// Reading is total: a key that could change the result and is not modelled here is refused by name
// (ErrorCode::kUnsupported), never ignored. Source of the key names and defaults: transformers,
// models/llama/configuration_llama.py and modeling_rope_utils.py (versions 4 and 5).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "abi/dtype.h"
#include "base/result.h"

namespace amk::model {

/// How rotary frequencies are scaled (`rope_parameters` of transformers 5, `rope_scaling` of transformers 4).
enum class RopeScaling { kNone, kLinear, kLlama3 };

/// In which precision the rotary frequencies are kept. transformers' from_pretrained computes and keeps them in float32
/// whatever dtype it loads; a later model.to(bfloat16) or model.half() rounds them with the weights.
enum class RopePrecision { kFloat32, kStored };

struct RopeConfig {
  RopeScaling scaling = RopeScaling::kNone;
  double theta = 10000.0;
  double factor = 1.0;                            ///< kLinear, kLlama3
  double low_freq_factor = 1.0;                   ///< kLlama3
  double high_freq_factor = 4.0;                  ///< kLlama3
  uint64_t original_context = 8192;               ///< kLlama3: original_max_position_embeddings
  abi::Dtype frequency_dtype = abi::Dtype::kF32;  ///< what the frequencies are rounded to

  bool operator==(const RopeConfig&) const = default;
};

/// Sizes are counts of elements. Weight matrices are row-major [out, in].
struct ModelConfig {
  std::string architecture;  ///< "LlamaForCausalLM", ...
  uint32_t hidden_size = 0;
  uint32_t intermediate_size = 0;
  uint32_t layer_count = 0;
  uint32_t q_head_count = 0;
  uint32_t kv_head_count = 0;  ///< divides q_head_count: equal is MHA, 1 is MQA
  uint32_t head_dim = 0;       ///< even; need not be hidden_size / q_head_count
  uint32_t vocab_size = 0;
  uint32_t context_max = 0;  ///< max_position_embeddings
  double rms_norm_eps = 0.0;
  bool tied_head = false;  ///< the head's matrix is the embedding table
  RopeConfig rope;
  abi::Dtype dtype = abi::Dtype::kF32;  ///< as declared; the tensors' own dtype is what is read
  std::vector<uint32_t> eos_ids;        ///< generation_config.json's where it has any, else config.json's
  std::vector<uint32_t> bos_ids;        ///< zero or one

  [[nodiscard]] uint32_t q_size() const { return q_head_count * head_dim; }
  [[nodiscard]] uint32_t kv_size() const { return kv_head_count * head_dim; }
  bool operator==(const ModelConfig&) const = default;
};

/// Parses and checks the text of a config.json (both forms). `location` names it in errors.
Result<ModelConfig> parse_model_config(std::string_view text, const std::string& location);

/// Reads DIR/config.json and, where present, DIR/generation_config.json (only its bos and eos ids).
Result<ModelConfig> read_model_config(const std::filesystem::path& directory);

/// Rotary inverse frequencies, float32[head_dim / 2], computed in float32 as transformers does
/// (modeling_rope_utils.py: _compute_default_rope_parameters, _compute_linear_scaling_rope_parameters,
/// _compute_llama3_parameters). The power is correctly rounded; torch's vectorised one (SLEEF, 1 ulp) is too for 99 of
/// 100 arguments, so that most frequencies agree bit for bit with it and the others to one ulp.
std::vector<float> rope_inverse_frequencies(const RopeConfig& rope, uint32_t head_dim);

}  // namespace amk::model
