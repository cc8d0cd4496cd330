#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "cli/child.h"
#include "model/safetensors.h"
#include "support/expected.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

const std::set<std::string> kKeys = {"prompt_ids", "generated_ids", "text",  "stop_reason",
                                     "verified",   "schedule_id",   "model", "tokens_per_second",
                                     "gpu",        "device",        "notes"};

constexpr double kNearTie = 1e-4;  // between the two best logits: a sum in another order may choose the other

std::vector<std::string> greedy(const std::string& model, const std::string& option, const std::string& prompt,
                                uint32_t tokens) {
  return {"generate", model, option, prompt, "--max-tokens", std::to_string(tokens), "--ignore-eos"};
}

constexpr amk::model::RopePrecision kDefaultPrecision = amk::model::RopePrecision::kFloat32;

std::string ids_text(const std::vector<uint32_t>& ids) {
  std::string out;
  for (const uint32_t id : ids) out += (out.empty() ? "" : ",") + std::to_string(id);
  return out;
}

}  // namespace

TEST_CASE("the shipped model continues its prompts as transformers does, with either kind of rotary frequencies") {
  for (const amk::model::RopePrecision precision : kRopePrecisions) {
    const char* frequencies = precision == amk::model::RopePrecision::kFloat32 ? "float32" : "stored";
    uint32_t compared = 0;
    for (const ShippedCase& c : read_shipped_expected(kShipped, precision).cases) {
      if (c.min_top2_margin < kNearTie) continue;
      CAPTURE(c.prompt);
      CAPTURE(frequencies);
      std::vector<std::string> arguments = greedy(kShipped, "--prompt", c.prompt, 64);
      arguments.insert(arguments.end(), {"--rope-frequencies", frequencies});
      const Json document = run_json(arguments, 0);
      CHECK(keys_of(document) == kKeys);
      CHECK(document["prompt_ids"] == c.prompt_ids);
      CHECK(document["generated_ids"] == c.generated_ids);
      CHECK(document["text"] == c.text);
      CHECK(document["stop_reason"] == "length");
      CHECK(document["tokens_per_second"] > 0);
      CHECK(document["verified"].is_null());
      CHECK(document["model"] == "shakespeare-llama-3m");
      CHECK(document["device"] == "cpu");
      ++compared;
    }
    CHECK(compared >= 3);
  }
}

TEST_CASE("text is streamed as it is, followed by one line end") {
  const ShippedCase c = read_shipped_expected(kShipped, kDefaultPrecision).cases.front();
  const Outcome outcome = run_amk(greedy(kShipped, "--prompt", c.prompt, 64));
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == c.text + "\n");
}

TEST_CASE("--verify compares every position and says so") {
  std::vector<std::string> arguments = greedy(kShipped, "--prompt", "ROMEO:", 16);
  arguments.emplace_back("--verify");
  const Json verified = run_json(arguments, 0)["verified"];
  CHECK(keys_of(verified) ==
        std::set<std::string>{"agrees", "positions", "max_abs_err", "tolerance", "different_tokens"});
  CHECK(verified["agrees"] == true);
  CHECK(verified["positions"] == 2 + 15);
  CHECK(verified["max_abs_err"] <= verified["tolerance"]);
  CHECK(verified["different_tokens"] == 0);
}

TEST_CASE("--logits saves what transformers computes for every prompt position") {
  const Scratch scratch;
  const Expected expected = read_expected("tests/models/llama-mha", kDefaultPrecision);
  const std::string file = scratch / "logits.safetensors";
  std::vector<std::string> arguments =
      greedy("tests/models/llama-mha", "--prompt-ids", ids_text(expected.input_ids), 24);
  arguments.insert(arguments.end(), {"--logits", file});
  const Json document = run_json(arguments, 0);
  CHECK(document["generated_ids"] == expected.generated_ids);
  CHECK(document["text"].is_null());

  amk::Result<amk::model::SafetensorsFile> saved = amk::model::SafetensorsFile::open(file);
  REQUIRE(saved.ok());
  REQUIRE(saved->tensors().size() == 1);
  const amk::model::TensorView& logits = saved->tensors().at("logits");
  CHECK(logits.dtype == amk::abi::Dtype::kF32);
  REQUIRE(logits.shape.size() == 2);
  CHECK(logits.shape[0] == expected.input_ids.size());
  REQUIRE(logits.data.size() == expected.logits.size() * sizeof(float));
  const auto* values = reinterpret_cast<const float*>(logits.data.data());
  double largest = 0;
  for (size_t i = 0; i < expected.logits.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(values[i]) - static_cast<double>(expected.logits[i])));
  }
  CHECK(largest <= 2e-4);
}

TEST_CASE("a place that cannot be written to is an error, and nothing is left there") {
  const Outcome outcome = run_amk(
      {"generate", "toy", "--prompt-ids", "1", "--max-tokens", "1", "--logits", "no-such-folder/logits.safetensors"});
  CHECK(outcome.exit_code == 3);
  CHECK(!std::filesystem::exists("no-such-folder"));
}

TEST_CASE("a model without a tokenizer prints ids") {
  const Outcome outcome = run_amk(greedy("toy", "--prompt-ids", "1,2,3", 5));
  CHECK(outcome.exit_code == 0);
  const Json document = run_json(greedy("toy", "--prompt-ids", "1,2,3", 5), 0);
  CHECK(outcome.out == ids_text(document["generated_ids"].get<std::vector<uint32_t>>()) + "\n");
}

TEST_CASE("draws depend on the seed alone") {
  const auto draw = [](const char* seed, const char* threads) {
    return run_json({"generate", kShipped, "--prompt", "ROMEO:", "--max-tokens", "24", "--temperature", "0.9",
                     "--top-k", "40", "--top-p", "0.95", "--seed", seed, "--threads", threads},
                    0)["generated_ids"];
  };
  const Json first = draw("7", "1");
  CHECK(draw("7", "2") == first);
  CHECK(draw("8", "1") != first);
}

TEST_CASE("an empty prompt is the token that starts a text, where the model has one") {
  const Json document = run_json(greedy(kShipped, "--prompt", "", 2), 0);
  CHECK(document["prompt_ids"] == std::vector<uint32_t>{0});
}

TEST_CASE("generation ends where the context does") {
  std::vector<std::string> arguments = greedy("toy", "--prompt-ids", "1,2,3", 50);
  arguments.insert(arguments.end(), {"--context", "8"});
  const Json document = run_json(arguments, 0);
  CHECK(document["stop_reason"] == "context");
  CHECK(document["generated_ids"].size() == 6);
}

TEST_CASE("no tokens may be asked for") {
  const Json document = run_json(greedy("toy", "--prompt-ids", "1,2,3", 0), 0);
  CHECK(document["generated_ids"].empty());
  CHECK(document["stop_reason"] == "length");
}

TEST_CASE("a prompt that is not UTF-8 is refused") {
  const Outcome outcome = run_amk({"generate", kShipped, "--prompt", "\xff\xfe", "--json"});
  CHECK(outcome.exit_code == 3);
  CHECK(Json::parse(outcome.out)["error"]["code"] == "bad-input");
}
