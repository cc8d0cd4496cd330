#include "eval/tolerance.h"

#include <doctest/doctest.h>

#include <cmath>

#include "eval/evaluate.h"
#include "support/expected.h"
#include "support/lowered.h"

using namespace amk;
using eval::logit_tolerance;

TEST_CASE("the tolerance is positive and grows with every size and with the logits, never below that of logits of 1") {
  const model::ModelConfig config = test::open_model("toy").graph.config;
  const double base = logit_tolerance(config, 4.0);
  CHECK(base > 0);
  for (const auto field : {&model::ModelConfig::hidden_size, &model::ModelConfig::intermediate_size,
                           &model::ModelConfig::layer_count, &model::ModelConfig::head_dim}) {
    model::ModelConfig larger = config;
    larger.*field *= 2;
    CHECK(logit_tolerance(larger, 4.0) > base);
    CHECK(logit_tolerance(larger, 4.0) < 2 * base);  // grows as a root
  }
  CHECK(logit_tolerance(config, 8.0) == doctest::Approx(2 * base));
  CHECK(logit_tolerance(config, 0.0) == logit_tolerance(config, 1.0));
}

TEST_CASE("a cache of 16 bits adds to the tolerance, the coarser the more, and less than rounding everything would") {
  for (const char* name : {"toy", "tests/models/llama-mha", "synthetic:llama-3.1-8b"}) {
    const model::ModelConfig config = test::open_model(name).graph.config;
    const double plain = logit_tolerance(config, 4.0);
    const double f16 = logit_tolerance(config, 4.0, abi::Dtype::kF16);
    const double bf16 = logit_tolerance(config, 4.0, abi::Dtype::kBf16);
    CAPTURE(name);
    CHECK(logit_tolerance(config, 4.0, abi::Dtype::kF32) == plain);
    CHECK(plain < f16);
    CHECK(f16 < bf16);
    CHECK(bf16 < 8 * f16);
    // Every key and value off by a whole spacing, in every layer, as independent errors.
    CHECK(f16 - plain < 0x1p-10 * std::sqrt(2.0 * config.layer_count) * 4.0);
    CHECK(bf16 - plain < 0x1p-7 * std::sqrt(2.0 * config.layer_count) * 4.0);
  }
}

TEST_CASE("on golden models the tolerance holds the error and is no more than a thousand times above it") {
  ThreadPool pool(2);
  for (const std::string& name : test::exact_models()) {
    const test::LoweredModel model = test::open_model("tests/models/" + name);
    eval::EvaluateRequest request;
    request.checkpoint = &model.checkpoint;
    request.target = *schedule::find_target("h100");
    const auto evaluation = eval::evaluate(request, pool);
    REQUIRE(evaluation.ok());
    const eval::Verdict& verdict = evaluation->verdict;
    CAPTURE(name);
    CHECK(verdict.correct);
    const double ratio = verdict.max_abs_err / verdict.tolerance;
    CHECK(ratio <= 1);
    CHECK(ratio > 1e-3);
    MESSAGE(name << ": error " << verdict.max_abs_err << ", " << ratio << " of the tolerance");
  }
}

TEST_CASE("tensor cores are allowed what rounding their inputs costs, and float32 products no more than before") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const model::ModelConfig& config = model.graph.config;
  const double float32 = logit_tolerance(config, 4.0);
  const auto with = [&](eval::InputRounding rounding) {
    return logit_tolerance(config, 4.0, abi::Dtype::kF32, rounding);
  };
  CHECK(with(eval::InputRounding::kNone) == float32);
  // Two layers: nine products one after another.
  CHECK(with(eval::InputRounding::kBf16Parts) - float32 == doctest::Approx(4.0 * 0x1p-17 * 3));
  CHECK(with(eval::InputRounding::kInt8Digits) - float32 == doctest::Approx(4.0 * 0x1p-17 * 3 * 0.7071068));
  CHECK(logit_tolerance(config, 4.0, abi::Dtype::kBf16, eval::InputRounding::kBf16Parts) >
        logit_tolerance(config, 4.0, abi::Dtype::kBf16));
}

TEST_CASE("what a GPU rounds is read off the program: its products and its weights") {
  const auto rounding_of = [](const std::string& name, const char* weights, const char* target,
                              std::optional<abi::Products> products) {
    model::OpenOptions options;
    options.weights = model::parse_weight_format(weights).value();
    const auto checkpoint = model::Checkpoint::open(name, options).value();
    const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
    schedule::ScheduleConfig config;
    config.products = products;
    return eval::input_rounding(schedule::lower({&graph, *schedule::find_target(target), config, 64}).value());
  };
  const std::string bf16 = "tests/models/llama-bf16-sharded";
  constexpr auto kTensorCores = abi::Products::kTensorCores;
  CHECK(rounding_of(bf16, "stored", "h100", kTensorCores) == eval::InputRounding::kBf16Parts);
  CHECK(rounding_of(bf16, "stored", "h100", {}) == eval::InputRounding::kNone);
  CHECK(rounding_of(bf16, "int8", "h100", {}) == eval::InputRounding::kInt8Digits);
  CHECK(rounding_of(bf16, "int8", "t4", {}) == eval::InputRounding::kNone);
  CHECK(rounding_of(bf16, "int4:64", "h100", {}) == eval::InputRounding::kInt8Digits);
  CHECK(rounding_of(bf16, "int8", "h100", abi::Products::kFloat32) == eval::InputRounding::kNone);
  CHECK(rounding_of("tests/models/llama-f16", "stored", "h100", kTensorCores) == eval::InputRounding::kNone);
}
