#include "support/expected.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string_view>

namespace amk::test {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

std::string whole_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The safetensors format once more, in a dozen lines: what judges the importer does not lean on it.
class Tensors {
 public:
  explicit Tensors(const std::filesystem::path& path) : bytes_(whole_file(path)) {
    uint64_t header_size = 0;
    if (bytes_.size() < sizeof(header_size)) throw std::runtime_error("no header in " + path.string());
    std::memcpy(&header_size, bytes_.data(), sizeof(header_size));
    header_ = nlohmann::json::parse(bytes_.substr(sizeof(header_size), header_size));
    data_ = std::string_view(bytes_).substr(sizeof(header_size) + header_size);
  }

  template <typename T>
  std::vector<T> read(const char* name, const char* dtype) const {
    const nlohmann::json& tensor = header_.at(name);
    if (tensor.at("dtype") != dtype) throw std::runtime_error(std::string("another dtype for ") + name);
    const auto offsets = tensor.at("data_offsets").get<std::vector<size_t>>();
    const std::string_view data = data_.substr(offsets.at(0), offsets.at(1) - offsets.at(0));
    std::vector<T> out(data.size() / sizeof(T));
    std::memcpy(out.data(), data.data(), out.size() * sizeof(T));
    return out;
  }

 private:
  std::string bytes_;
  nlohmann::json header_;
  std::string_view data_;
};

}  // namespace

Expected read_expected(const std::filesystem::path& model_directory, model::RopePrecision precision) {
  const std::filesystem::path float32 = model_directory / "expected_float32.safetensors";
  const bool separate = precision == model::RopePrecision::kFloat32 && std::filesystem::exists(float32);
  const Tensors tensors(separate ? float32 : model_directory / "expected.safetensors");
  return {.input_ids = tensors.read<uint32_t>("input_ids", "I32"),
          .logits = tensors.read<float>("logits", "F32"),
          .generated_ids = tensors.read<uint32_t>("generated_ids", "I32"),
          .top2_margin = tensors.read<float>("top2_margin", "F32")};
}

ShippedExpected read_shipped_expected(const std::filesystem::path& model_directory, model::RopePrecision precision) {
  const nlohmann::json json = nlohmann::json::parse(whole_file(model_directory / "expected.json"));
  ShippedExpected out;
  for (const nlohmann::json& one : json.at("cases")) {
    out.cases.push_back({.prompt = one.at("prompt"),
                         .prompt_ids = one.at("prompt_ids"),
                         .generated_ids = one.at("generated_ids"),
                         .text = one.at("text"),
                         .min_top2_margin = one.at("min_top2_margin")});
  }
  const nlohmann::json& perplexity = json.at("perplexity");
  out.perplexity_text = perplexity.at("text");
  out.perplexity_ids = perplexity.at("ids").get<std::vector<uint32_t>>();
  out.perplexity = perplexity.at("ppl");
  if (precision == model::RopePrecision::kStored) return out;
  const nlohmann::json float32 = nlohmann::json::parse(whole_file(model_directory / "expected_float32.json"));
  out.perplexity = float32.at("perplexity").at("ppl");
  for (size_t i = 0; i < out.cases.size(); ++i) {
    out.cases[i].generated_ids = float32.at("cases").at(i).at("generated_ids").get<std::vector<uint32_t>>();
    out.cases[i].min_top2_margin = float32.at("cases").at(i).at("min_top2_margin");
  }
  return out;
}

const std::vector<std::string>& exact_models() {
  static const std::vector<std::string> names = {"llama-mha",       "llama-gqa-tied",     "llama-head-dim",
                                                 "llama-odd-sizes", "llama-bf16-sharded", "llama-f16",
                                                 "llama3-rope",     "llama-linear-rope",  "mistral"};
  return names;
}

}  // namespace amk::test
