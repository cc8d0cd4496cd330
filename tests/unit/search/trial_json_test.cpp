#include "search/trial_json.h"

#include <doctest/doctest.h>

#include <limits>

#include "support/trials.h"

using namespace amk;
using namespace amk::search;

TEST_CASE("trials, incumbents and headers come back from their JSON as they were") {
  for (uint32_t n = 1; n <= 15; ++n) {
    const Trial trial = test::a_trial(n);
    const auto back = trial_from_json(to_json(trial).dump(), "here");
    REQUIRE(back.ok());
    CHECK(*back == trial);
  }
  const auto incumbent = incumbent_from_json(to_json(test::a_start()).dump(), "here");
  REQUIRE(incumbent.ok());
  CHECK(*incumbent == test::a_start());
  const auto header = header_from_json(to_json(test::a_header()).dump(), "here");
  REQUIRE(header.ok());
  CHECK(*header == test::a_header());
}

TEST_CASE("an interval that is open stays open") {
  Trial trial = test::a_trial(1);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  trial.measurement->ratio = {1.0, -kInfinity, kInfinity};
  const auto back = trial_from_json(to_json(trial).dump(), "here");
  REQUIRE(back.ok());
  CHECK(*back == trial);
}

TEST_CASE("a latency says in every document whether it was measured or predicted") {
  Trial trial = test::a_trial(1);
  CHECK(to_json(trial)["measurement"]["latency_kind"] == "predicted");
  trial.measurement->kind = eval::LatencyKind::kMeasuredGpu;
  CHECK(to_json(trial)["measurement"]["latency_kind"] == "measured-gpu");
}

TEST_CASE("what is no trial is refused with its place") {
  for (const char* text : {"", "[]", "{}", "{\"schedule\": 3}", "{\"schedule\": {\"unknown\": 1}}"}) {
    CAPTURE(text);
    const auto back = trial_from_json(text, "commit 12, trial.json");
    REQUIRE_FALSE(back.ok());
    CHECK(back.error().location.find("commit 12, trial.json") != std::string::npos);
  }
  Json json = to_json(test::a_trial(1));
  json["outcome"] = "kept-ish";
  CHECK_FALSE(trial_from_json(json.dump(), "here").ok());
}

TEST_CASE("complexity counts the knobs that are turned") {
  schedule::ScheduleConfig config;
  CHECK(complexity(config) == 0);
  config.pipelining_depth = 4;
  CHECK(complexity(config) == 1);
  config.page_allocation = abi::PageAllocation::kNone;
  CHECK(complexity(config) == 2);
}
