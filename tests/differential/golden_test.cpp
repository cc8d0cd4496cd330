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

/// Opened with rotary frequencies in that precision, as the expected files were made.
test::LoweredModel open_model(const std::string& directory, model::RopePrecision precision) {
  auto checkpoint = model::Checkpoint::open(directory, {.rope_frequencies = precision});
  REQUIRE_MESSAGE(checkpoint.ok(), (checkpoint.ok() ? "" : checkpoint.error().text()));
  schedule::ModelGraph graph = schedule::build_graph(*checkpoint);
  return {std::move(checkpoint).value(), std::move(graph)};
}

/// Calls `body` with every golden model's name, the model, what transformers computed for it, and each grouping.
template <typename Body>
void for_each_golden(const Body& body) {
  for (const std::string& name : test::exact_models()) {
    for (const model::RopePrecision precision : test::kRopePrecisions) {
      const test::LoweredModel model = open_model(folder(name), precision);
      const test::Expected expected = test::read_expected(folder(name), precision);
      for (const test::NamedConfig& grouping : test::groupings()) {
        CAPTURE(name);
        CAPTURE(static_cast<int>(precision));
        CAPTURE(grouping.name);
        vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", grouping.config), model.checkpoint);
        body(machine, expected);
      }
    }
  }
}

}  // namespace

TEST_CASE("every checkpoint of tests/models is either refused as unsupported or among those compared here") {
  size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/models")) {
    if (!entry.is_directory()) continue;
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
  size_t compared = 0;
  double largest = 0;
  for_each_golden([&](vm::ReferenceVm& machine, const test::Expected& expected) {
    const std::vector<float> logits = test::logits_of(machine, expected.input_ids);
    REQUIRE(logits.size() == expected.logits.size());
    const double worst = eval::largest_difference(logits, expected.logits);
    CHECK(worst <= test::kLogitTolerance);
    largest = std::max(largest, worst);
    ++compared;
  });
  CHECK(compared == 9 * 2 * 3);
  MESSAGE(compared << " programs, largest error " << largest);
}

TEST_CASE("greedy continuations of every golden model are those of transformers, in every grouping") {
  size_t equal_tokens = 0;
  for_each_golden([&](vm::ReferenceVm& machine, const test::Expected& expected) {
    REQUIRE(expected.generated_ids.size() == 24);
    const size_t equal = test::compare_greedy(machine, expected.input_ids, expected.generated_ids);
    if (equal < 24) CHECK(expected.top2_margin[equal] < test::kNearTie);
    CHECK(equal > 0);
    equal_tokens += equal;
  });
  MESSAGE(equal_tokens << " of " << 9 * 2 * 3 * 24 << " tokens equal");
}

TEST_CASE("the shipped model continues its prompts as transformers does, fused and unfused") {
  for (const model::RopePrecision precision : test::kRopePrecisions) {
    const test::LoweredModel model = open_model(kShipped, precision);
    const test::ShippedExpected expected = test::read_shipped_expected(kShipped, precision);
    REQUIRE(expected.cases.size() == 4);
    for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, test::unfused()}) {
      vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", config), model.checkpoint);
      for (const test::ShippedCase& one : expected.cases) {
        CAPTURE(static_cast<int>(precision));
        CAPTURE(one.prompt);
        REQUIRE(one.generated_ids.size() == 64);
        const size_t equal = test::compare_greedy(machine, one.prompt_ids, one.generated_ids);
        if (one.min_top2_margin >= test::kNearTie) CHECK(equal == 64);
        CHECK(equal > 0);
        MESSAGE(one.prompt_ids.size() << " prompt tokens: " << equal << " of 64 equal");
      }
    }
  }
}

TEST_CASE("the shipped model's perplexity of held-out text is that of transformers") {
  for (const model::RopePrecision precision : test::kRopePrecisions) {
    const test::LoweredModel model = open_model(kShipped, precision);
    const test::ShippedExpected expected = test::read_shipped_expected(kShipped, precision);
    vm::ReferenceVm machine = test::bind(test::accepted(model, "h100", {}), model.checkpoint);
    const double found = eval::perplexity(test::logits_of(machine, expected.perplexity_ids), expected.perplexity_ids);
    CHECK(std::abs(found / expected.perplexity - 1.0) < 1e-5);
    MESSAGE("perplexity " << found << ", expected " << expected.perplexity);
  }
}
