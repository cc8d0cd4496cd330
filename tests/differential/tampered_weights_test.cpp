// Wrong weights must show: the comparison with the oracle is tight enough to see one wrong element, and NaN is never
// taken for agreement.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "differential/fixture.h"
#include "eval/evaluate.h"
#include "eval/generate.h"
#include "eval/logits.h"
#include "eval/tolerance.h"
#include "support/temp_directory.h"

using namespace amk;
namespace fs = std::filesystem;

namespace {

const std::string kModel = "tests/models/llama-mha";

/// A copy of kModel in which one element of a float32 tensor has another value.
class Tampered {
 public:
  Tampered() : bytes_(test::slurp(fs::path(kModel) / "model.safetensors")) {
    fs::copy_file(fs::path(kModel) / "config.json", directory_.path() / "config.json");
    uint64_t header_size = 0;
    std::memcpy(&header_size, bytes_.data(), sizeof(header_size));
    header_ = nlohmann::json::parse(bytes_.substr(sizeof(header_size), header_size));
    data_ = sizeof(header_size) + header_size;
  }

  model::Checkpoint with(const std::string& tensor, size_t element, float change) const {
    const size_t begin = header_.at(tensor).at("data_offsets").at(0).get<size_t>() + data_ + element * sizeof(float);
    std::string bytes = bytes_;
    float value = 0;
    std::memcpy(&value, bytes.data() + begin, sizeof(value));
    value += change;
    std::memcpy(bytes.data() + begin, &value, sizeof(value));
    fs::remove(directory_.path() / "model.safetensors");  // an older copy may still be mapped
    test::spill(directory_.path() / "model.safetensors", bytes);
    auto checkpoint = model::Checkpoint::open(directory_.path().string());
    REQUIRE_MESSAGE(checkpoint.ok(), (checkpoint.ok() ? "" : checkpoint.error().text()));
    return std::move(checkpoint).value();
  }

 private:
  test::TempDirectory directory_;
  std::string bytes_;
  nlohmann::json header_;
  size_t data_ = 0;
};

eval::Evaluation evaluate(const model::Checkpoint& checkpoint, uint32_t positions = 8) {
  eval::EvaluateRequest request;
  request.checkpoint = &checkpoint;
  request.target = *schedule::find_target("h100");
  request.positions = positions;
  auto evaluation = eval::evaluate(request, test::pool());
  REQUIRE_MESSAGE(evaluation.ok(), (evaluation.ok() ? "" : evaluation.error().text()));
  return std::move(evaluation).value();
}

}  // namespace

TEST_CASE("one wrong element of any weight of the VM's model parts it from the oracle by more than the tolerance") {
  const test::LoweredModel model = test::open_model(kModel);
  const std::vector<uint32_t> ids = test::some_tokens(model.graph.config, 6);
  const std::vector<float> expected = test::oracle_logits(model.checkpoint, ids);
  const double tolerance = eval::logit_tolerance(model.graph.config, eval::largest_magnitude(expected));
  const validator::ValidatedProgram program = test::accepted(model, "h100", {});
  const Tampered tampered;
  for (const model::TensorSpec& spec : model::expected_tensors(model.graph.config)) {
    CAPTURE(spec.name);
    // Of the embedding table only the rows of the tokens that are fed are read.
    const size_t element = spec.name == "model.embed_tokens.weight" ? ids[0] * spec.shape[1] : 0;
    const model::Checkpoint wrong = tampered.with(spec.name, element, 0.5F);
    vm::ReferenceVm machine = test::bind(program, wrong);
    const std::vector<float> found = test::logits_of(machine, ids);
    CHECK(eval::largest_difference(found, expected) > 2 * tolerance);
    // The oracle reads that element too: both agree again once they have the same weights.
    CHECK(eval::largest_difference(found, test::oracle_logits(wrong, ids)) <= 2 * tolerance);
  }
}

TEST_CASE("a model whose weights hold a NaN or an infinity is never correct and has no latency") {
  const Tampered tampered;
  CHECK(evaluate(tampered.with("model.norm.weight", 0, 0.0F)).verdict.correct);
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const char* tensor : {"model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.k_proj.weight",
                               "model.norm.weight", "lm_head.weight"}) {
      CAPTURE(poison);
      CAPTURE(tensor);
      const model::Checkpoint checkpoint = tampered.with(tensor, 3, poison);
      const eval::Verdict verdict = evaluate(checkpoint).verdict;
      CHECK(verdict.valid);
      CHECK_FALSE(verdict.correct);
      CHECK_FALSE(verdict.latency_us.has_value());
      CHECK_FALSE(verdict.notes.empty());

      const test::LoweredModel model{tampered.with(tensor, 3, poison), schedule::build_graph(checkpoint)};
      const validator::ValidatedProgram program = test::accepted(model, "h100", {});
      eval::GenerateRequest request;
      request.checkpoint = &model.checkpoint;
      request.program = &program;
      request.prompt = {1, 2, 3};
      request.max_tokens = 2;
      request.verify = true;
      const auto generation = eval::generate(request, test::pool());
      REQUIRE(generation.ok());
      REQUIRE(generation->agreement.has_value());
      CHECK_FALSE(generation->agreement->agrees());
    }
  }
}

TEST_CASE("nothing compared is nothing shown: an evaluation of no positions is refused") {
  const model::Checkpoint checkpoint = std::move(model::Checkpoint::open("toy")).value();
  eval::EvaluateRequest request;
  request.checkpoint = &checkpoint;
  request.target = *schedule::find_target("h100");
  request.positions = 0;
  const auto evaluation = eval::evaluate(request, test::pool());
  REQUIRE_FALSE(evaluation.ok());
  CHECK(evaluation.error().code == ErrorCode::kUsage);
}

TEST_CASE("weights of another shape than the config's are refused before anything runs") {
  test::TempDirectory directory;
  fs::copy_file(fs::path(kModel) / "model.safetensors", directory.path() / "model.safetensors");
  for (const auto& [key, value] : {std::pair{"intermediate_size", 168},
                                   {"hidden_size", 32},
                                   {"vocab_size", 255},
                                   {"num_key_value_heads", 2},
                                   {"num_hidden_layers", 3},
                                   {"num_hidden_layers", 1}}) {
    nlohmann::json config = nlohmann::json::parse(test::slurp(fs::path(kModel) / "config.json"));
    config[key] = value;
    test::spill(directory.path() / "config.json", config.dump());
    CAPTURE(key);
    CAPTURE(value);
    CHECK_FALSE(model::Checkpoint::open(directory.path().string()).ok());
  }
}
