#include "model/model_config.h"

#include "unit/model/fixture.h"

using namespace amk;
using namespace amk::model;
using namespace amk::model::fixture;

namespace {

Result<ModelConfig> with(std::string_view key, const Json& value) {
  Json config = tiny_config();
  config[key] = value;
  return parse(config);
}

Result<ModelConfig> without(std::string_view key) {
  Json config = tiny_config();
  REQUIRE(config.erase(std::string(key)) == 1);
  return parse(config);
}

Result<ModelConfig> with_scaling(std::string_view scaling) { return with("rope_scaling", Json::parse(scaling)); }

constexpr std::string_view kLlama3 =
    R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192})";

}  // namespace

TEST_CASE("the forms of transformers 4 and 5 say the same") {
  const auto form4 = parse(tiny_config());
  REQUIRE_MESSAGE(form4.ok(), form4.error().text());
  Json config = tiny_config();
  for (const char* key : {"rope_theta", "rope_scaling", "torch_dtype"}) config.erase(key);
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 10000.0}};
  config["dtype"] = "float32";
  const auto form5 = parse(config);
  REQUIRE_MESSAGE(form5.ok(), form5.error().text());
  CHECK(*form4 == *form5);
  CHECK(form4->hidden_size == 8);
  CHECK(form4->intermediate_size == 12);
  CHECK(form4->head_dim == 4);
  CHECK(form4->kv_head_count == 1);
  CHECK(form4->context_max == 32);
  CHECK(form4->eos_ids == std::vector<uint32_t>{2});
}

TEST_CASE("llama3 scaling reads alike from rope_scaling, from rope_parameters and with the old key") {
  const auto expected = with_scaling(kLlama3);
  REQUIRE_MESSAGE(expected.ok(), expected.error().text());
  CHECK(expected->rope.scaling == RopeScaling::kLlama3);
  CHECK(expected->rope.factor == 8.0);
  CHECK(expected->rope.original_context == 8192);

  Json both = Json::parse(kLlama3);
  both["type"] = "llama3";
  CHECK(*with("rope_scaling", both) == *expected);
  Json old = both;
  old.erase("rope_type");
  CHECK(*with("rope_scaling", old) == *expected);
  CHECK(*with("rope_parameters", both) == *expected);
  Json twice = tiny_config();
  twice["rope_parameters"] = both;
  twice["rope_scaling"] = old;
  CHECK(*parse(twice) == *expected);
}

TEST_CASE("absent keys take transformers' defaults") {
  CHECK(without("num_key_value_heads")->kv_head_count == 2);
  CHECK(with("num_key_value_heads", nullptr)->kv_head_count == 2);
  CHECK(with("head_dim", nullptr)->head_dim == 4);
  CHECK(with("head_dim", 6)->head_dim == 6);
  CHECK(without("rms_norm_eps")->rms_norm_eps == 1e-6);
  CHECK(without("rope_theta")->rope.theta == 10000.0);
  CHECK(without("tie_word_embeddings")->tied_head == false);
  CHECK(without("max_position_embeddings")->context_max == 2048);
  CHECK(without("hidden_act").ok());
  CHECK(without("torch_dtype")->dtype == abi::Dtype::kF32);
  CHECK(without("model_type").ok());
  CHECK(without("architectures")->architecture == "LlamaForCausalLM");
}

TEST_CASE("published configs are read whole") {
  // The keys of SmolLM2-135M-Instruct, Llama-3.2-1B and old Llama conversions.
  Json config = tiny_config();
  config.update(Json::parse(R"({"attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1,
    "eos_token_id": [2, 3], "initializer_range": 0.04, "is_llama_config": true, "mlp_bias": false, "pad_token_id": -1,
    "pretraining_tp": 1, "rope_interleaved": false, "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
    "transformers_version": "4.42.3", "use_cache": true, "_name_or_path": "x", "max_sequence_length": 2048,
    "max_length": 4096, "unsloth_fixed": true})"));
  const auto parsed = parse(config);
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().text());
  CHECK(parsed->eos_ids == std::vector<uint32_t>{2, 3});
  CHECK(parsed->bos_ids == std::vector<uint32_t>{1});
}

TEST_CASE("what is not modelled is refused by key and value") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"attention_bias", "true"},
      {"attention_bias", "0"},
      {"mlp_bias", "true"},
      {"hidden_act", "\"gelu\""},
      {"hidden_act", "null"},
      {"pretraining_tp", "2"},
      {"rope_interleaved", "true"},
      {"partial_rotary_factor", "0.5"},
      {"sliding_window", "4096"},
      {"use_sliding_window", "true"},
      {"layer_types", R"(["full_attention","sliding_attention"])"},
      {"quantization_config", R"({"quant_method":"awq"})"},
      {"logits_scaling", "8.0"},
      {"embedding_multiplier", "12.0"},
      {"num_local_experts", "8"},
      {"is_encoder_decoder", "true"},
      {"auto_map", R"({"AutoModel":"x.Y"})"},
      {"repetition_penalty", "1.2"},
      {"torch_dtype", "\"float8_e4m3fn\""},
      {"dtype", "\"int8\""},
      {"something_new", "7"},
      {"architectures", R"(["Qwen2ForCausalLM"])"},
      {"architectures", R"(["LlamaForCausalLM","MistralForCausalLM"])"},
      {"architectures", R"("LlamaForCausalLM")"},
      {"model_type", "\"qwen2\""},
      {"bos_token_id", "[1,2]"},
  };
  for (const auto& [key, value] : cases) {
    CAPTURE(key);
    CAPTURE(value);
    check_refused(with(key, Json::parse(value)), ErrorCode::kUnsupported, {"config.json: ", key, value, "expected"});
  }
}

TEST_CASE("values that change nothing are accepted where others are refused") {
  CHECK(with("partial_rotary_factor", 1).ok());
  CHECK(with("sliding_window", nullptr).ok());
  CHECK(with("quantization_config", nullptr).ok());
  CHECK(with("layer_types", Json::parse(R"(["full_attention"])")).ok());
  CHECK(with("attention_dropout", 0.1).ok());
}

TEST_CASE("broken values are refused by key") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"hidden_size", "0"},
      {"hidden_size", "8.0"},
      {"hidden_size", "\"8\""},
      {"hidden_size", "-8"},
      {"hidden_size", "null"},
      {"hidden_size", "[8]"},
      {"hidden_size", "2000000"},
      {"hidden_size", "7"},
      {"hidden_size", "99999999999999999999"},
      {"intermediate_size", "0"},
      {"intermediate_size", "4294967297"},
      {"num_hidden_layers", "0"},
      {"num_hidden_layers", "5000"},
      {"num_attention_heads", "0"},
      {"num_attention_heads", "3"},
      {"num_key_value_heads", "0"},
      {"num_key_value_heads", "3"},
      {"head_dim", "5"},
      {"head_dim", "0"},
      {"head_dim", "2048"},
      {"vocab_size", "0"},
      {"vocab_size", "true"},
      {"max_position_embeddings", "0"},
      {"max_position_embeddings", "null"},
      {"rms_norm_eps", "0"},
      {"rms_norm_eps", "-1e-5"},
      {"rms_norm_eps", "\"1e-5\""},
      {"rms_norm_eps", "2"},
      {"rope_theta", "0"},
      {"rope_theta", "-1"},
      {"rope_theta", "1e30"},
      {"rope_theta", "null"},
      {"tie_word_embeddings", "1"},
      {"tie_word_embeddings", "null"},
      {"eos_token_id", "-1"},
      {"eos_token_id", "1.5"},
      {"eos_token_id", "[1,\"2\"]"},
      {"eos_token_id", "4294967296"},
      {"torch_dtype", "5"},
      {"rope_scaling", "3"},
  };
  for (const auto& [key, value] : cases) {
    CAPTURE(key);
    CAPTURE(value);
    check_refused(with(key, Json::parse(value)), ErrorCode::kBadInput, {"config.json: ", key, "expected", "found"});
  }
}

TEST_CASE("sizes a model cannot do without are asked for by name") {
  for (const std::string_view key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
    check_refused(without(key), ErrorCode::kBadInput, {key, "found no such key"});
  }
}

TEST_CASE("query heads times head_dim is bounded") {
  Json config = tiny_config();
  config["num_attention_heads"] = 2048;
  config["head_dim"] = 1024;
  check_refused(parse(config), ErrorCode::kBadInput, {"head_dim"});
}

TEST_CASE("rope types and parameters that are not modelled are refused by name") {
  for (const std::string type : {"yarn", "dynamic", "longrope", "su", "LLAMA3", ""}) {
    CAPTURE(type);
    check_refused(with("rope_scaling", {{"rope_type", type}, {"factor", 2.0}}), ErrorCode::kUnsupported,
                  {"rope_scaling.rope_type", '"' + type + '"'});
    check_refused(with("rope_scaling", {{"type", type}, {"factor", 2.0}}), ErrorCode::kUnsupported,
                  {"rope_scaling.type", '"' + type + '"'});
  }
  check_refused(with_scaling(R"({"type": "linear", "factor": 2.0, "beta_fast": 3})"), ErrorCode::kUnsupported,
                {"rope_scaling.beta_fast", "linear"});
  check_refused(with_scaling(R"({"factor": 2.0})"), ErrorCode::kUnsupported, {"rope_scaling.factor"});
  check_refused(with_scaling(R"({"type": "default", "partial_rotary_factor": 0.5})"), ErrorCode::kUnsupported,
                {"rope_scaling.partial_rotary_factor"});
  check_refused(with("rope_parameters", Json::parse(R"({"full_attention": {"rope_type": "default"}})")),
                ErrorCode::kUnsupported, {"rope_parameters.full_attention"});
}

TEST_CASE("broken rope parameters are refused by name") {
  const auto llama3_with = [](const char* key, const Json& value) {
    Json scaling = Json::parse(kLlama3);
    if (value.is_null()) {
      scaling.erase(key);
    } else {
      scaling[key] = value;
    }
    return with("rope_scaling", scaling);
  };
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    CAPTURE(key);
    check_refused(llama3_with(key, nullptr), ErrorCode::kBadInput, {key, "found no such key"});
    check_refused(llama3_with(key, 0), ErrorCode::kBadInput, {key, "found 0"});
    check_refused(llama3_with(key, "8"), ErrorCode::kBadInput, {key});
  }
  check_refused(llama3_with("high_freq_factor", 1.0), ErrorCode::kBadInput, {"high_freq_factor", "low_freq_factor"});
  check_refused(with_scaling(R"({"type": "linear"})"), ErrorCode::kBadInput, {"rope_scaling.factor"});
  check_refused(with_scaling(R"({"type": "linear", "factor": 0.5})"), ErrorCode::kBadInput, {"rope_scaling.factor"});
  check_refused(with_scaling(R"({"type": "linear", "rope_type": "llama3", "factor": 2})"), ErrorCode::kBadInput,
                {"rope_scaling.type"});
}

TEST_CASE("contradictions between the two forms are refused") {
  check_refused(with("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500000.0}}), ErrorCode::kBadInput,
                {"rope_theta", "10000", "500000"});
  Json config = tiny_config();
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 10000.0}};
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
  check_refused(parse(config), ErrorCode::kBadInput, {"rope_scaling", "rope_parameters"});
}

TEST_CASE("Mistral without a window is a Llama; with one, stated or by default, it is refused") {
  Json config = tiny_config();
  config["architectures"] = {"MistralForCausalLM"};
  config["model_type"] = "mistral";
  check_refused(parse(config), ErrorCode::kUnsupported, {"sliding_window", "4096"});
  config["sliding_window"] = 4096;
  check_refused(parse(config), ErrorCode::kUnsupported, {"sliding_window", "4096"});
  config["sliding_window"] = nullptr;
  REQUIRE(parse(config).ok());
  CHECK(parse(config)->architecture == "MistralForCausalLM");
  config["num_attention_heads"] = 8;
  config["head_dim"] = 2;
  config.erase("num_key_value_heads");
  config.erase("max_position_embeddings");
  CHECK(parse(config)->kv_head_count == 8);
  CHECK(parse(config)->context_max == 131072);
  config["model_type"] = "llama";
  check_refused(parse(config), ErrorCode::kUnsupported, {"model_type"});
}

TEST_CASE("text that is no config is refused") {
  for (const std::string_view text : {"", "[]", "3", "null", "{}", "{\"architectures\": []}", "\"x\""}) {
    CAPTURE(text);
    const auto parsed = parse_model_config(text, "config.json");
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().location == "config.json");
  }
  check_refused(parse_model_config(R"({"hidden_size": 8, "hidden_size": 16})", "config.json"), ErrorCode::kBadInput,
                {"'hidden_size' twice"});
}

TEST_CASE("generation_config.json overrides the special ids, and nothing else") {
  const TempDirectory directory;
  directory.write("config.json", tiny_config().dump());
  CHECK(read_model_config(directory.path())->eos_ids == std::vector<uint32_t>{2});
  directory.write("generation_config.json", R"({"eos_token_id": [5, 6], "bos_token_id": 4, "temperature": 0.6})");
  const auto read = read_model_config(directory.path());
  REQUIRE_MESSAGE(read.ok(), read.error().text());
  CHECK(read->eos_ids == std::vector<uint32_t>{5, 6});
  CHECK(read->bos_ids == std::vector<uint32_t>{4});
  directory.write("generation_config.json", R"({"eos_token_id": null})");
  CHECK(read_model_config(directory.path())->eos_ids == std::vector<uint32_t>{2});
  for (const std::string_view text : {"[]", "{", R"({"eos_token_id": "2"})", R"({"bos_token_id": [1, 2]})"}) {
    directory.write("generation_config.json", text);
    const auto broken = read_model_config(directory.path());
    REQUIRE_FALSE(broken.ok());
    CHECK(broken.error().location.ends_with("generation_config.json"));
  }
}

TEST_CASE("a config above the size limit is refused") {
  const TempDirectory directory;
  directory.write("config.json", std::string((1 << 20) + 1, ' '));
  check_refused(read_model_config(directory.path()), ErrorCode::kBadInput, {"config.json", "1048576"});
}
