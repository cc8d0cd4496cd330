// amk quantize: the report on quantised weights.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kGolden = "tests/models/llama-gqa-tied";

Json report(const std::string& model, const std::string& weights, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"quantize", model, "--weights", weights};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_json(arguments, 0);
}

std::map<std::string, double> errors_of(const Json& document) {
  std::map<std::string, double> out;
  for (const Json& tensor : document["tensors"]) out[tensor["name"]] = tensor["relative_error"];
  return out;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a report on quantised weights has every part, and the same of the same request") {
  const Json document = report("toy", "int8");
  CHECK(keys_of(document) ==
        std::set<std::string>{"model", "weights", "bytes", "oracle", "perplexity", "roles", "tensors", "notes"});
  CHECK(document["model"] == "toy");
  CHECK(document["weights"] == Json{{"format", "int8:128"}, {"dtype", "i8g128"}, {"bits", 8}, {"group", 128}});
  CHECK(document["perplexity"].is_null());
  CHECK(document["oracle"]["positions"] == 16);
  CHECK(document["oracle"]["tokens"] == "seed");
  CHECK(document["oracle"]["mean_kl_nats"] > 0);
  CHECK(document["oracle"]["max_kl_nats"] >= document["oracle"]["mean_kl_nats"]);
  CHECK(document.dump() == report("toy", "int8", {"--threads", "1"}).dump());
  CHECK(document["oracle"] != report("toy", "int8", {"--seed", "2"})["oracle"]);
  CHECK(report("toy", "int4:row")["weights"]["group"].is_null());
}

TEST_CASE("fewer bits cost more, in every matrix and in the logits") {
  for (const char* model : {"toy", kGolden, kShipped}) {
    CAPTURE(model);
    const Json int8 = report(model, "int8"), int4 = report(model, "int4");
    const std::map<std::string, double> fine = errors_of(int8), coarse = errors_of(int4);
    CHECK(fine.size() > 7);
    for (const auto& [name, error] : fine) {
      CAPTURE(name);
      CHECK(error > 0);
      CHECK(error < 0.02);  // half of 1/127 of the largest of a group, against the others of it
      CHECK(coarse.at(name) > 10 * error);
      CHECK(coarse.at(name) < 0.3);
    }
    for (const char* key : {"max_abs_difference", "relative_difference", "mean_kl_nats"})
      CHECK(int4["oracle"][key] > int8["oracle"][key]);
    CHECK(int8["oracle"]["top1_agreement"] >= int4["oracle"]["top1_agreement"]);
  }
}

TEST_CASE("bytes are those of the programs that the weights make") {
  for (const char* model : {"toy", kGolden, kShipped}) {
    for (const char* weights : {"int8", "int4:64"}) {
      CAPTURE(model);
      const Json bytes = report(model, weights, {"--positions", "1"})["bytes"];
      CHECK(bytes["streamed"]["stored"] == run_json({"inspect", model}, 0)["weight_bytes"]);
      CHECK(bytes["streamed"]["quantised"] == run_json({"inspect", model, "--weights", weights}, 0)["weight_bytes"]);
      CHECK(bytes["all"]["stored"] >= bytes["streamed"]["stored"]);
      const double ratio = bytes["all"]["quantised"].get<double>() / bytes["all"]["stored"].get<double>();
      CHECK(bytes["all"]["ratio"].get<double>() == doctest::Approx(ratio));
    }
  }
}

TEST_CASE("roles sum up their matrices") {
  const Json document = report(kGolden, "int4");
  uint64_t tensors = 0, stored = 0;
  for (const Json& role : document["roles"]) {
    CAPTURE(role);
    uint64_t bytes = 0;
    double least = 1, most = 0, largest = 0;
    for (const Json& tensor : document["tensors"]) {
      if (tensor["role"] != role["role"]) continue;
      bytes += tensor["bytes"]["quantised"].get<uint64_t>();
      least = std::min(least, tensor["relative_error"].get<double>());
      most = std::max(most, tensor["relative_error"].get<double>());
      largest = std::max(largest, tensor["max_abs_error"].get<double>());
    }
    CHECK(role["bytes"]["quantised"] == bytes);
    CHECK(role["max_abs_error"] == largest);
    CHECK(role["relative_error"].get<double>() >= doctest::Approx(least));
    CHECK(role["relative_error"].get<double>() <= doctest::Approx(most));
    tensors += role["tensors"].get<uint64_t>();
    stored += role["bytes"]["stored"].get<uint64_t>();
  }
  CHECK(tensors == document["tensors"].size());
  CHECK(stored < document["bytes"]["all"]["stored"]);  // norms are in no role
}

TEST_CASE("of a text, both models' perplexity is said, and that of the stored one is what eval finds") {
  const Scratch scratch;
  const std::string text = scratch.write("text", "ROMEO:\nBut, soft! what light through yonder window breaks?\n");
  const Json document = report(kShipped, "int8", {"--text", text});
  CHECK(document["oracle"]["tokens"] == "text");
  CHECK(document["oracle"]["seed"].is_null());
  CHECK(document["perplexity"]["tokens"] == document["oracle"]["positions"]);
  const Json stored = run_json({"eval", kShipped, "--positions", "1", "--perplexity", text}, 0)["perplexity"];
  CHECK(document["perplexity"]["stored"].get<double>() ==
        doctest::Approx(stored["oracle"].get<double>()).epsilon(1e-9));
  CHECK(document["perplexity"]["quantised"] != document["perplexity"]["stored"]);
  CHECK(report(kShipped, "int8", {"--text", text, "--positions", "4"})["oracle"]["positions"] == 4);
}

TEST_CASE("what cannot be compared is refused in words") {
  const Scratch scratch;
  const std::string text = scratch.write("text", "a text");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"toy"}, "expected what to quantise to, int8 or int4, found nothing"},
      {{"toy", "--weights", "stored"}, "found 'stored'"},
      {{"toy", "--weights", "int9"}, "found 'int9'"},
      {{"toy", "--weights", "int8", "--positions", "0"}, "expected an integer from 1"},
      {{"toy", "--weights", "int8", "--positions", "257"}, "expected 1 to 256 positions, the model's, found 257"},
      {{"toy", "--weights", "int8", "--text", text}, "expected a model with a tokenizer, found the built-in toy"},
      {{kShipped, "--weights", "int8", "--text", text, "--positions", "1"}, "tokens of the text, found 1"},
      {{kShipped, "--weights", "int8", "--text", text, "--seed", "1"}, "--seed"},
  };
  for (const auto& [arguments, expected] : cases) {
    std::vector<std::string> all = {"quantize"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run_amk(all);
    CAPTURE(expected);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(holds(outcome.err, expected));
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("a checkpoint that is quantised already is refused by the key that says so") {
  const Scratch scratch;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    std::filesystem::copy(entry.path(), scratch.path() / entry.path().filename());
  Json config = Json::parse(read_text(scratch.path() / "config.json"));
  config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 4}};
  const std::string written = scratch.write("config.json", config.dump());
  const Json error = run_json({"quantize", scratch.path().string(), "--weights", "int8"}, 3)["error"];
  CHECK(error["code"] == "unsupported");
  CHECK(holds(error.dump(), "quantization_config"));
}
