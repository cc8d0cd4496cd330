#include "model/tensor_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/float_formats.h"
#include "model/checkpoint.h"
#include "model/json_reader.h"

namespace amk::model {
namespace {

constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

Error tensor_error(ErrorCode code, std::string_view name, std::string_view message, const std::string& location) {
  return {code, fmt::format("tensor '{}': {}", printable(name), message), location, ""};
}

Result<TensorMap> merge_files(const std::vector<SafetensorsFile>& files) {
  TensorMap all;
  for (const SafetensorsFile& file : files) {
    for (const auto& [name, view] : file.tensors()) {
      if (all.emplace(name, &view).second) continue;
      return tensor_error(ErrorCode::kBadInput, name, "expected it in one file, found it in two", file.path().string());
    }
  }
  return all;
}

float element(const TensorView& tensor, size_t index) {
  if (tensor.dtype == abi::Dtype::kF32) {
    float value = 0;
    std::memcpy(&value, tensor.data.data() + index * sizeof(value), sizeof(value));
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, tensor.data.data() + index * sizeof(bits), sizeof(bits));
  return tensor.dtype == abi::Dtype::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

/// Whether a stored vector is `expected` to the rounding of its dtype: one unit in the last place, and float16's
/// subnormal step.
bool equals_rounded(const TensorView& tensor, const std::vector<float>& expected) {
  const double relative = tensor.dtype == abi::Dtype::kF32   ? 0x1p-22
                          : tensor.dtype == abi::Dtype::kF16 ? 0x1p-10
                                                             : 0x1p-7;
  const double absolute = tensor.dtype == abi::Dtype::kF16 ? 0x1p-24 : 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double bound = relative * expected[i] + absolute;
    if (!(std::abs(double{element(tensor, i)} - expected[i]) <= bound)) return false;
  }
  return true;
}

/// "model.layers.<a layer of the model>.self_attn.rotary_emb.inv_freq"
bool is_inverse_frequency_name(std::string_view name, uint32_t layer_count) {
  constexpr std::string_view kPrefix = "model.layers.";
  constexpr std::string_view kSuffix = ".self_attn.rotary_emb.inv_freq";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() <= kPrefix.size() + kSuffix.size()) {
    return false;
  }
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  uint32_t layer = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  return failed == std::errc() && end == digits.data() + digits.size() && layer < layer_count;
}

Status check_inverse_frequencies(const ModelConfig& config, const std::string& name, const TensorView& tensor,
                                 const std::string& location) {
  RopeConfig unscaled;
  unscaled.theta = config.rope.theta;
  const bool ok = tensor.dtype != abi::Dtype::kU32 && tensor.shape == std::vector<uint64_t>{config.head_dim / 2} &&
                  (equals_rounded(tensor, rope_inverse_frequencies(config.rope, config.head_dim)) ||
                   equals_rounded(tensor, rope_inverse_frequencies(unscaled, config.head_dim)));
  if (ok) return {};
  return tensor_error(ErrorCode::kUnsupported, name,
                      fmt::format("expected the {} rotary frequencies of theta {}, found others", config.head_dim / 2,
                                  config.rope.theta),
                      location);
}

Status check_tied_head(const TensorMap& found, const std::string& location) {
  const auto embedding = found.find(std::string(kEmbedding));
  const TensorView& head = *found.at(std::string(kHead));
  const bool ok = embedding != found.end() && embedding->second->dtype == head.dtype &&
                  embedding->second->shape == head.shape && std::ranges::equal(embedding->second->data, head.data);
  if (ok) return {};
  Error error =
      tensor_error(ErrorCode::kUnsupported, kHead,
                   "expected it to equal the embedding, as tie_word_embeddings is true, found other values", location);
  error.hint = "set tie_word_embeddings to false to use it, or remove it";
  return error;
}

/// The tensors that no spec asked for: harmless, or refused, the first one by name.
Status check_extra(const ModelConfig& config, const TensorMap& found, const TensorMap& used,
                   const std::string& location) {
  std::vector<std::string> refused;
  for (const auto& [name, view] : found) {
    if (used.contains(name)) continue;
    if (name == kHead) {
      AMK_TRY(check_tied_head(found, location));
    } else if (is_inverse_frequency_name(name, config.layer_count)) {
      AMK_TRY(check_inverse_frequencies(config, name, *view, location));
    } else {
      refused.push_back(name);
    }
  }
  if (refused.empty()) return {};
  const std::string others = refused.size() == 1 ? "" : fmt::format(" and {} others", refused.size() - 1);
  return tensor_error(ErrorCode::kUnsupported, refused[0],
                      fmt::format("expected no tensor of this name in a {} of {} layers, found it{}",
                                  config.architecture, config.layer_count, others),
                      location);
}

Status check_expected(const TensorSpec& spec, const TensorView& tensor, const std::string& location) {
  if (tensor.dtype == abi::Dtype::kU32) {
    return tensor_error(ErrorCode::kUnsupported, spec.name, "expected f32, f16 or bf16, found integers", location);
  }
  if (tensor.shape == spec.shape) return {};
  return tensor_error(ErrorCode::kBadInput, spec.name,
                      fmt::format("expected shape [{}] by the config, found [{}]", fmt::join(spec.shape, ", "),
                                  fmt::join(tensor.shape, ", ")),
                      location);
}

}  // namespace

Result<TensorMap> check_tensors(const ModelConfig& config, const std::vector<SafetensorsFile>& files,
                                const std::string& location) {
  AMK_ASSIGN_OR_RETURN(const TensorMap found, merge_files(files));
  TensorMap used;
  std::optional<Error> first_missing;
  for (const TensorSpec& spec : expected_tensors(config)) {
    const auto at = found.find(spec.name);
    if (at != found.end()) {
      AMK_TRY(check_expected(spec, *at->second, location));
      used.emplace(spec.name, at->second);
    } else if (!first_missing) {
      first_missing =
          tensor_error(ErrorCode::kBadInput, spec.name, "expected it, found no tensor of the name", location);
    }
  }
  // An unknown tensor explains more than a missing one: it tells which model this really is.
  AMK_TRY(check_extra(config, found, used, location));
  if (first_missing) return *first_missing;
  return used;
}

}  // namespace amk::model
