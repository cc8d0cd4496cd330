#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "model/json_reader.h"
#include "model/lazy_tensors.h"
#include "model/synthetic.h"
#include "model/synthetic_name.h"
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
  /// A tensor of expected_tensors(): as the checkpoint has it, and as it is given out.
  struct Tensor {
    size_t index = 0;         ///< in `synthetic`
    TensorView stored;        ///< in a file, or without data
    abi::Dtype dtype;         ///< of what is given out
    size_t quantised_at = 0;  ///< in `quantised`, where `dtype` is quantised
  };
  std::string name;
  std::string source;
  std::filesystem::path directory;
  ModelConfig config;
  WeightFormat weight_format;
  std::vector<SafetensorsFile> files;
  std::vector<WeightFile> weight_files;
  uint64_t weight_bytes = 0;
  std::map<std::string, Tensor, std::less<>> tensors;
  std::optional<SyntheticWeights> synthetic;
  std::optional<LazyTensors> quantised;

  static Result<std::unique_ptr<Impl>> open_builtin(const std::string& model, ModelConfig config);
  static Result<std::unique_ptr<Impl>> open_directory(const std::string& model);
  void add(const std::string& tensor_name, size_t index, TensorView stored);
  Status quantise(abi::Dtype dtype);
  [[nodiscard]] TensorView stored_tensor(const Tensor& tensor) const {
    return synthetic ? synthetic->tensor(tensor.index) : tensor.stored;
  }
  [[nodiscard]] TensorView quantised_tensor(const Tensor& tensor) const;
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

/// Weights that are no numbers, or nearly none, have no scale.
Status check_quantisable(const std::string& name, const TensorView& matrix, const std::string& source) {
  const std::optional<size_t> bad = first_unquantisable(matrix);
  if (!bad) return {};
  const uint64_t columns = matrix.shape[1];
  return Error{
      ErrorCode::kBadInput,
      fmt::format("tensor '{}': expected finite weights of at most 2^127 to quantise, found another at [{}, {}]", name,
                  *bad / columns, *bad % columns),
      source, "open the model with its weights as stored"};
}

/// `model` is neither a built-in name nor a directory.
Error unknown_model(const std::string& model) {
  const std::vector<std::string_view> names = builtin_models();
  std::error_code ignored;
  const bool exists = std::filesystem::exists(model, ignored);
  return {ErrorCode::kBadInput,
          fmt::format("expected a checkpoint's directory or a built-in model, found {}{}",
                      exists ? "a file" : "neither", exists ? "" : did_you_mean(model, names)),
          printable(model), fmt::format("built-in: {}, synthetic:hidden=N,layers=N", join(names))};
}

}  // namespace

Result<std::unique_ptr<Checkpoint::Impl>> Checkpoint::Impl::open_builtin(const std::string& model, ModelConfig config) {
  auto impl = std::make_unique<Impl>();
  impl->name = model;
  std::ranges::replace_if(
      impl->name, [](char c) { return c == ':' || c == '=' || c == ','; }, '-');
  impl->source = model;
  impl->config = std::move(config);
  AMK_ASSIGN_OR_RETURN(impl->synthetic, SyntheticWeights::create(impl->config));
  const std::vector<TensorSpec> specs = expected_tensors(impl->config);
  for (size_t i = 0; i < specs.size(); ++i) {
    impl->add(specs[i].name, i, {impl->config.dtype, specs[i].shape, {}});
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
    impl->add(tensor_name, 0, *view);
  }
  for (const SafetensorsFile& file : impl->files) {
    impl->weight_files.push_back({file.path(), file.size_bytes()});
  }
  return impl;
}

void Checkpoint::Impl::add(const std::string& tensor_name, size_t index, TensorView stored) {
  const abi::Dtype dtype = stored.dtype;
  weight_bytes += checked_product(stored.shape).value() * abi::dtype_bytes(dtype);
  tensors[tensor_name] = {index, std::move(stored), dtype};
}

/// From now on every matrix is given out as `dtype`.
Status Checkpoint::Impl::quantise(abi::Dtype dtype) {
  std::vector<uint64_t> sizes;
  for (auto& [tensor_name, tensor] : tensors) {
    const std::vector<uint64_t>& shape = tensor.stored.shape;
    if (shape.size() != 2) continue;
    if (!synthetic) AMK_TRY(check_quantisable(tensor_name, tensor.stored, source));
    tensor.quantised_at = sizes.size();
    sizes.push_back(shape[0] * abi::row_bytes(dtype, shape[1]));
    weight_bytes += sizes.back() - shape[0] * abi::row_bytes(tensor.dtype, shape[1]);
    tensor.dtype = dtype;
  }
  AMK_ASSIGN_OR_RETURN(quantised, LazyTensors::create(sizes));
  weight_format = dtype;
  name += fmt::format("-{}", abi::dtype_name(dtype));
  return {};
}

TensorView Checkpoint::Impl::quantised_tensor(const Tensor& tensor) const {
  const auto make = [&](std::byte* out) {
    quantise_matrix(stored_tensor(tensor), tensor.dtype, out);
    // Nobody else asks for the matrix that this one was made of.
    if (synthetic) synthetic->release(tensor.index);
  };
  return {tensor.dtype, tensor.stored.shape, quantised->get(tensor.quantised_at, make)};
}

Result<Checkpoint> Checkpoint::open(const std::string& model, const OpenOptions& options) {
  std::optional<ModelConfig> builtin = builtin_config(model);
  if (is_synthetic_shape(model)) {
    AMK_ASSIGN_OR_RETURN(builtin, synthetic_shape(model));
  }
  std::error_code ignored;
  if (!builtin && !std::filesystem::is_directory(model, ignored)) return unknown_model(model);
  AMK_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl,
                       builtin ? Impl::open_builtin(model, *std::move(builtin)) : Impl::open_directory(model));
  if (options.rope_frequencies == RopePrecision::kStored) {
    impl->config.rope.frequency_dtype = impl->find("model.embed_tokens.weight").stored.dtype;
  }
  if (options.weights) AMK_TRY(impl->quantise(*options.weights));
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

WeightFormat Checkpoint::weight_format() const { return impl_->weight_format; }

abi::Dtype Checkpoint::dtype_of(std::string_view name) const { return impl_->find(name).dtype; }

TensorView Checkpoint::tensor(std::string_view name) const {
  const Impl::Tensor& tensor = impl_->find(name);
  return abi::is_quantised(tensor.dtype) ? impl_->quantised_tensor(tensor) : impl_->stored_tensor(tensor);
}

}  // namespace amk::model
