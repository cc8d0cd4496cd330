#include <array>

#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

TEST_CASE("every golden model that is modelled opens, with all its tensors") {
  for (const std::string name : {"llama-mha", "llama-gqa-tied", "llama-head-dim", "llama-odd-sizes",
                                 "llama-bf16-sharded", "llama-f16", "llama3-rope", "llama-linear-rope", "mistral"}) {
    CAPTURE(name);
    const auto checkpoint = Checkpoint::open("tests/models/" + name);
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    CHECK(checkpoint->name() == name);
    for (const TensorSpec& spec : expected_tensors(checkpoint->config())) {
      CHECK(checkpoint->tensor(spec.name).shape == spec.shape);
      CHECK(checkpoint->dtype_of(spec.name) == checkpoint->config().dtype);
    }
  }
}

TEST_CASE("every golden model that is not modelled is refused by name") {
  struct Row {
    const char* folder;
    std::string_view key;
    std::string_view value;
  };
  for (const Row& row : std::array{
           Row{"llama-attention-bias", "attention_bias", "true"}, Row{"llama-gelu", "hidden_act", "\"gelu\""},
           Row{"mistral-sliding-window", "sliding_window", "8"}, Row{"qwen2", "architectures", "Qwen2ForCausalLM"},
           Row{"qwen3", "architectures", "Qwen3ForCausalLM"}}) {
    CAPTURE(row.folder);
    check_refused(Checkpoint::open(std::string("tests/models/") + row.folder), ErrorCode::kUnsupported,
                  {"config.json", row.key, row.value});
  }
}

TEST_CASE("golden configs say what their folders are named after") {
  const auto config = [](const char* folder) { return *read_model_config(std::string("tests/models/") + folder); };
  CHECK(config("llama-gqa-tied").tied_head);
  CHECK(config("llama-gqa-tied").kv_head_count == 2);
  CHECK(config("llama-head-dim").head_dim == 32);
  CHECK(config("llama-f16").dtype == abi::Dtype::kF16);
  CHECK(config("llama3-rope").rope.original_context == 64);
  CHECK(config("llama3-rope").kv_head_count == 1);
  CHECK(config("llama-linear-rope").rope.factor == 2.0);
  CHECK(Checkpoint::open("tests/models/llama-bf16-sharded")->weight_files().size() == 5);
}

TEST_CASE("the expected results beside the golden models are readable as safetensors") {
  const auto file = SafetensorsFile::open("tests/models/llama-mha/expected.safetensors");
  REQUIRE_MESSAGE(file.ok(), file.error().text());
  CHECK(file->tensors().at("input_ids").dtype == abi::Dtype::kU32);
  CHECK(file->tensors().at("logits").shape == std::vector<uint64_t>{12, 256});
}

TEST_CASE("the shipped model opens") {
  const auto checkpoint = Checkpoint::open("models/shakespeare-llama-3m");
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
  CHECK(checkpoint->config().tied_head);
  CHECK(checkpoint->config().eos_ids == std::vector<uint32_t>{1});
}
