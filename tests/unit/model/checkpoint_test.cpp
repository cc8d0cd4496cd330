#include "model/checkpoint.h"

#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kInverseFrequencies = "model.layers.0.self_attn.rotary_emb.inv_freq";

}  // namespace

TEST_CASE("a checkpoint hands out every tensor as stored") {
  const TempDirectory directory;
  const TensorStore tensors = tensors_of(tiny_config());
  const auto checkpoint = open_with(directory, tiny_config(), tensors);
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
  uint64_t bytes = 0;
  for (const auto& [name, view] : tensors.views()) {
    CAPTURE(name);
    const TensorView read = checkpoint->tensor(name);
    CHECK(read.shape == view.shape);
    CHECK(std::ranges::equal(read.data, view.data));
    CHECK(checkpoint->dtype_of(name) == abi::Dtype::kF32);
    bytes += view.data.size();
  }
  CHECK(checkpoint->weight_bytes() == bytes);
  REQUIRE(checkpoint->weight_files().size() == 1);
  CHECK(checkpoint->weight_files()[0].path == directory.path() / "model.safetensors");
  CHECK(checkpoint->weight_files()[0].size_bytes == std::filesystem::file_size(directory.path() / "model.safetensors"));
  CHECK(checkpoint->source() == directory.path().string());
}

TEST_CASE("a checkpoint is called after its directory, however the path is written") {
  for (const std::string path :
       {"tests/models/llama-mha", "tests/models/llama-mha/", "./tests/models/../models/llama-mha/."}) {
    CHECK(Checkpoint::open(path)->name() == "llama-mha");
  }
}

TEST_CASE("a missing tensor and a wrong shape are refused by name") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.remove(kQuery);
  check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kBadInput, {kQuery, "found no tensor"});
  tensors.add(kQuery, {8, 4});
  check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kBadInput, {kQuery, "[8, 8]", "[8, 4]"});
  tensors.add(kQuery, {64});
  check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kBadInput, {kQuery, "[8, 8]", "[64]"});
}

TEST_CASE("tensors of a model that is not modelled are refused by name") {
  for (const std::string name :
       {"model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.q_norm.weight",
        "model.layers.1.mlp.up_proj.weight", "lm_head.bias", "model.layers.1.self_attn.rotary_emb.inv_freq", "extra"}) {
    const TempDirectory directory;
    TensorStore tensors = tensors_of(tiny_config());
    tensors.add(name, {8});
    check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kUnsupported, {name});
  }
}

TEST_CASE("integer weights are refused") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.add(kQuery, {8, 8}, abi::Dtype::kU32);
  check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kUnsupported, {kQuery, "integers"});
}

TEST_CASE("tensors of one checkpoint may have different dtypes") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.add(kQuery, {8, 8}, abi::Dtype::kBf16);
  const auto checkpoint = open_with(directory, tiny_config(), tensors);
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
  CHECK(checkpoint->dtype_of(kQuery) == abi::Dtype::kBf16);
}

TEST_CASE("an untied head must be there") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.remove(kHead);
  check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kBadInput, {kHead});
}

TEST_CASE("a head beside a tied one is accepted only as a copy of the embedding") {
  Json config = tiny_config();
  config["tie_word_embeddings"] = true;
  const TempDirectory directory;
  TensorStore tensors = tensors_of(config);
  REQUIRE(open_with(directory, config, tensors).ok());
  tensors.add(kHead, {10, 8});
  const auto copy = open_with(directory, config, tensors);
  REQUIRE_MESSAGE(copy.ok(), copy.error().text());
  CHECK(copy->config().tied_head);
  tensors.add(kHead, {10, 8}, abi::Dtype::kF32, 1);
  check_refused(open_with(directory, config, tensors), ErrorCode::kUnsupported, {kHead, "tie_word_embeddings"});
  tensors.add(kHead, {10, 8}, abi::Dtype::kBf16);
  check_refused(open_with(directory, config, tensors), ErrorCode::kUnsupported, {kHead});
}

TEST_CASE("stored rotary frequencies are accepted only where they are the config's") {
  const TempDirectory directory;
  TensorStore tensors = tensors_of(tiny_config());
  tensors.add_floats(kInverseFrequencies, {1.0F, 0.01F});
  CHECK(open_with(directory, tiny_config(), tensors).ok());
  for (const std::vector<float>& wrong : {std::vector{1.0F, 0.02F}, std::vector{1.0F}, std::vector{1.0F, std::nanf("")},
                                          std::vector{1.0F, 0.01F, 0.0F}}) {
    tensors.add_floats(kInverseFrequencies, wrong);
    check_refused(open_with(directory, tiny_config(), tensors), ErrorCode::kUnsupported, {kInverseFrequencies});
  }
}

TEST_CASE("what is neither directory nor built-in is answered with what there is and the nearest name") {
  check_refused(Checkpoint::open("synthetic:smolm2-135m"), ErrorCode::kBadInput,
                {"did you mean 'synthetic:smollm2-135m'", "toy-2l", "synthetic:llama-3.1-8b"});
  check_refused(Checkpoint::open("/nonexistent/dir"), ErrorCode::kBadInput, {"/nonexistent/dir", "built-in: toy"});
  check_refused(Checkpoint::open(""), ErrorCode::kBadInput, {"built-in: toy"});
  check_refused(Checkpoint::open("tests/models/llama-mha/config.json"), ErrorCode::kBadInput, {"found a file"});
  check_refused(Checkpoint::open("tests/unit"), ErrorCode::kIo, {"config.json"});
}
