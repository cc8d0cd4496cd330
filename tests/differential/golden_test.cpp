// The VM against transformers: every checkpoint of tests/models and the one that ships, in every grouping.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "differential/fixture.h"
#include "eval/logits.h"
#include "eval/perplexity.h"
#include "support/expected.h"

using namespace amk;

namespace {

const std::string kShipped = "models/shakespeare-llama-3m";

std::string folder(const std::string& name) { return "tests/models/" + name; }

/// Their expected.safetensors was made with rotary frequencies rounded to 16 bits, as a program's never are.
bool made_with_rounded_frequencies(const std::string& name) {
  return name == "llama-bf16-sharded" || name == "llama-f16";
}

std::vector<std::string> comparable_models() {
  std::vector<std::string> names = test::exact_models();
  std::erase_if(names, made_with_rounded_frequencies);
  return names;
}

}  // namespace

TEST_CASE("every checkpoint of tests/models is either refused as unsupported or among those compared here") {
  size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/models")) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const auto checkpoint = model::Checkpoint::open(folder(name));
    const bool compared = std::ranges::count(test::exact_models(), name) == 1;
    CHECK(checkpoint.ok() == compared);
    if (checkpoint.ok()) continue;
    CHECK(checkpoint.error().code == ErrorCode::kUnsupported);
    ++refused;
  }
  CHECK(refused + test::exact_models().size() == 14);
}

TEST_CASE("logits of every golden model are those of transformers at every prompt position, in every grouping") {
  for (const std::string& name : comparable_models()) {
    const test::LoweredModel model = test::open_model(folder(name));
    const test::Expected expected = test::read_expected(folder(name));
    for (const test::NamedConfig& grouping : test::groupings()) {
      CAPTURE(name);
      CAPTURE(grouping.name);
      vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config), model.checkpoint);
      const std::vector<float> logits = test::logits_of(machine, expected.input_ids);
      REQUIRE(logits.size() == expected.logits.size());
      const double worst = eval::largest_difference(logits, expected.logits);
      CHECK(worst <= test::kLogitTolerance);
      MESSAGE(name << ", " << grouping.name << ": largest error " << worst);
    }
  }
}

TEST_CASE("greedy continuations of every golden model are those of transformers, in every grouping") {
  for (const std::string& name : comparable_models()) {
    const test::LoweredModel model = test::open_model(folder(name));
    const test::Expected expected = test::read_expected(folder(name));
    REQUIRE(expected.generated_ids.size() == 24);
    for (const test::NamedConfig& grouping : test::groupings()) {
      CAPTURE(name);
      CAPTURE(grouping.name);
      vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config), model.checkpoint);
      const size_t equal = test::compare_greedy(machine, expected.input_ids, expected.generated_ids);
      if (equal < 24) CHECK(expected.top2_margin[equal] < test::kNearTie);
      CHECK(equal > 0);
    }
  }
}

TEST_CASE("the shipped model continues its prompts as transformers does, in every grouping") {
  const test::LoweredModel model = test::open_model(kShipped);
  const test::ShippedExpected expected = test::read_shipped_expected(kShipped);
  REQUIRE(expected.cases.size() == 4);
  for (const test::NamedConfig& grouping : test::groupings()) {
    vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config), model.checkpoint);
    for (const test::ShippedCase& one : expected.cases) {
      CAPTURE(grouping.name);
      CAPTURE(one.prompt);
      REQUIRE(one.generated_ids.size() == 64);
      const size_t equal = test::compare_greedy(machine, one.prompt_ids, one.generated_ids);
      if (one.min_top2_margin >= test::kNearTie) CHECK(equal == 64);
      CHECK(equal > 0);
      MESSAGE(grouping.name << ": " << equal << " of 64 tokens after " << one.prompt);
    }
  }
}

TEST_CASE("the shipped model's perplexity is the oracle's") {
  const test::LoweredModel model = test::open_model(kShipped);
  const std::vector<uint32_t> ids = test::read_shipped_expected(kShipped).perplexity_ids;
  vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", {}), model.checkpoint);
  const double found = eval::perplexity(test::logits_of(machine, ids), ids);
  const double expected = eval::perplexity(test::oracle_logits(model.checkpoint, ids), ids);
  CHECK(std::abs(found / expected - 1.0) < 1e-5);
  MESSAGE("perplexity " << found << ", the oracle's " << expected);
}
