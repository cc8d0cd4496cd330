#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "model/json_reader.h"
#include "model/synthetic.h"
#include "model/tensor_checks.h"
#include "model/weight_files.h"

namespace amk::model {

std::vector<TensorSpec> expected_tensors(const ModelConfig& config) {
  const uint64_t hidden = config.hidden_size;
  const uint64_t intermediate = config.intermediate_size;
  std::vector<TensorSpec> out;
  out.push_back({"model.embed_tokens.weight", {config.vocab_size, hidden}});
  for (uint32_t layer = 0; layer < config.layer_count; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    out.push_back({prefix + "input_layernorm.weight", {hidden}});
    out.push_back({prefix + "self_attn.q_proj.weight", {config.q_size(), hidden}});
    out.push_back({prefix + "self_attn.k_proj.weight", {config.kv_size(), hidden}});
    out.push_back({prefix + "self_attn.v_proj.weight", {config.kv_size(), hidden}});
    out.push_back({prefix + "self_attn.o_proj.weight", {hidden, config.q_size()}});
    out.push_back({prefix + "post_attention_layernorm.weight", {hidden}});
    out.push_back({prefix + "mlp.gate_proj.weight", {intermediate, hidden}});
    out.push_back({prefix + "mlp.up_proj.weight", {intermediate, hidden}});
    out.push_back({prefix + "mlp.down_proj.weight", {hidden, intermediate}});
  }
  out.push_back({"model.norm.weight", {hidden}});
  if (!config.tied_head) out.push_back({"lm_head.weight", {config.vocab_size, hidden}});
  return out;
}

struct Checkpoint::Impl {
  /// A tensor of expected_tensors(): a view into a file, or an index into `synthetic`.
  struct Tensor {
    size_t index = 0;
    TensorView view;
  };
  std::string name;
  std::string source;
  std::filesystem::path directory;
  ModelConfig config;
  std::vector<SafetensorsFile> files;
  std::vector<WeightFile> weight_files;
  uint64_t weight_bytes = 0;
  std::map<std::string, Tensor, std::less<>> tensors;
  std::optional<SyntheticWeights> synthetic;

  static Result<std::unique_ptr<Impl>> open_builtin(const std::string& model, ModelConfig config);
  static Result<std::unique_ptr<Impl>> open_directory(const std::string& model);
  [[nodiscard]] const Tensor& find(std::string_view tensor_name) const {
    const auto found = tensors.find(tensor_name);
    AMK_ASSERT(found != tensors.end(), "no tensor of the name " + std::string(tensor_name));
    return found->second;
  }
};

namespace {

/// The directory's own name, also for "." and "dir/": what bundles are called after.
std::string directory_name(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::path full = std::filesystem::canonical(directory, failed);
  if (failed) full = directory;
  const std::string name = full.filename().string();
  return name.empty() ? "model" : name;
}

/// `model` is neither a built-in name nor a directory.
Error unknown_model(const std::string& model) {
  const std::vector<std::string_view> names = builtin_models();
  std::error_code ignored;
  const bool exists = std::filesystem::exists(model, ignored);
  return {ErrorCode::kBadInput,
          fmt::format("expected a checkpoint's directory or a built-in model, found {}{}",
                      exists ? "a file" : "neither", exists ? "" : did_you_mean(model, names)),
          printable(model), fmt::format("built-in: {}", join(names))};
}

}  // namespace

Result<std::unique_ptr<Checkpoint::Impl>> Checkpoint::Impl::open_builtin(const std::string& model, ModelConfig config) {
  auto impl = std::make_unique<Impl>();
  impl->name = model;
  std::ranges::replace(impl->name, ':', '-');
  impl->source = model;
  impl->config = std::move(config);
  AMK_ASSIGN_OR_RETURN(impl->synthetic, SyntheticWeights::create(impl->config));
  const std::vector<TensorSpec> specs = expected_tensors(impl->config);
  for (size_t i = 0; i < specs.size(); ++i) {
    impl->weight_bytes += checked_product(specs[i].shape).value() * abi::dtype_bytes(impl->config.dtype);
    impl->tensors[specs[i].name] = {i, {impl->config.dtype, specs[i].shape, {}}};
  }
  return impl;
}

Result<std::unique_ptr<Checkpoint::Impl>> Checkpoint::Impl::open_directory(const std::string& model) {
  auto impl = std::make_unique<Impl>();
  impl->source = model;
  impl->directory = model;
  impl->name = directory_name(impl->directory);
  AMK_ASSIGN_OR_RETURN(impl->config, read_model_config(impl->directory));
  AMK_ASSIGN_OR_RETURN(impl->files, open_weight_files(impl->directory));
  AMK_ASSIGN_OR_RETURN(const TensorMap checked, check_tensors(impl->config, impl->files, model));
  for (const auto& [tensor_name, view] : checked) {
    impl->weight_bytes += view->data.size();
    impl->tensors[tensor_name] = {0, *view};
  }
  for (const SafetensorsFile& file : impl->files) {
    impl->weight_files.push_back({file.path(), file.size_bytes()});
  }
  return impl;
}

Result<Checkpoint> Checkpoint::open(const std::string& model, const OpenOptions& options) {
  std::optional<ModelConfig> builtin = builtin_config(model);
  std::error_code ignored;
  if (!builtin && !std::filesystem::is_directory(model, ignored)) return unknown_model(model);
  AMK_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl,
                       builtin ? Impl::open_builtin(model, *std::move(builtin)) : Impl::open_directory(model));
  if (options.rope_frequencies == RopePrecision::kStored) {
    impl->config.rope.frequency_dtype = impl->find("model.embed_tokens.weight").view.dtype;
  }
  return Checkpoint(std::move(impl));
}

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const std::string& Checkpoint::name() const { return impl_->name; }
const std::string& Checkpoint::source() const { return impl_->source; }
const std::filesystem::path& Checkpoint::directory() const { return impl_->directory; }
const ModelConfig& Checkpoint::config() const { return impl_->config; }
const std::vector<WeightFile>& Checkpoint::weight_files() const { return impl_->weight_files; }
uint64_t Checkpoint::weight_bytes() const { return impl_->weight_bytes; }

abi::Dtype Checkpoint::dtype_of(std::string_view name) const { return impl_->find(name).view.dtype; }

TensorView Checkpoint::tensor(std::string_view name) const {
  const Impl::Tensor& tensor = impl_->find(name);
  return impl_->synthetic ? impl_->synthetic->tensor(tensor.index) : tensor.view;
}

}  // namespace amk::model
