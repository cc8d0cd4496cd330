// What the tests of model/ build their broken checkpoints from: a directory that removes itself, a tiny valid config
// and its tensors.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace amk::model::fixture {

using Json = nlohmann::json;

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "amk-model-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// A valid config of one layer; every test changes one thing in it.
inline Json tiny_config() {
  return Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "intermediate_size": 12,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10,
    "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null,
    "tie_word_embeddings": false, "hidden_act": "silu", "torch_dtype": "float32"})");
}

inline Result<ModelConfig> parse(const Json& config) { return parse_model_config(config.dump(), "config.json"); }

/// Tensors that own their data.
class TensorStore {
 public:
  /// Adds a tensor whose bytes count up from `first`.
  void add(const std::string& name, std::vector<uint64_t> shape, abi::Dtype dtype = abi::Dtype::kF32, int first = 0) {
    uint64_t bytes = abi::dtype_bytes(dtype);
    for (const uint64_t extent : shape) bytes *= extent;
    std::vector<std::byte>& data = data_[name];
    data.resize(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>((static_cast<size_t>(first) + i) % 100);
    views_[name] = {dtype, std::move(shape), data};
  }
  void add_floats(const std::string& name, const std::vector<float>& values) {
    add(name, {values.size()});
    std::memcpy(data_[name].data(), values.data(), values.size() * sizeof(float));
  }
  void reshape(const std::string& name, std::vector<uint64_t> shape) { views_[name].shape = std::move(shape); }
  void remove(const std::string& name) { views_.erase(name); }
  [[nodiscard]] const std::map<std::string, TensorView>& views() const { return views_; }

 private:
  std::map<std::string, std::vector<std::byte>> data_;
  std::map<std::string, TensorView> views_;
};

/// The tensors a config calls for.
inline TensorStore tensors_of(const Json& config) {
  TensorStore store;
  const auto parsed = parse(config);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().text());
  for (const TensorSpec& spec : expected_tensors(*parsed)) store.add(spec.name, spec.shape);
  return store;
}

/// Writes a checkpoint of one file and opens it.
inline Result<Checkpoint> open_with(const TempDirectory& directory, const Json& config, const TensorStore& tensors) {
  directory.write("config.json", config.dump());
  directory.write("model.safetensors", write_safetensors(tensors.views()));
  return Checkpoint::open(directory.path().string());
}

/// A failed result of this code whose text holds every one of `parts`.
template <typename T>
void check_refused(const Result<T>& result, ErrorCode code, std::initializer_list<std::string_view> parts) {
  REQUIRE_FALSE(result.ok());
  const std::string text = result.error().text();
  CAPTURE(text);
  CHECK(result.error().code == code);
  for (const std::string_view part : parts) CHECK_MESSAGE(text.find(part) != std::string::npos, part);
}

}  // namespace amk::model::fixture
