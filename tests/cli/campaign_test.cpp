#include <doctest/doctest.h>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

TEST_CASE("a campaign agrees, says so in one document, and the same seed says the same") {
  Json first = run_json({"validate", "--campaign", "--count", "1000", "--seed", "8"}, 0);
  Json second = run_json({"validate", "--seed", "8", "--campaign", "--count", "1000"}, 0);
  CHECK(first["count"] == 1000);
  CHECK(first["seed"] == 8);
  CHECK(first["agrees"] == true);
  CHECK(first["false_accepts"] == 0);
  CHECK(first["false_rejects"] == 0);
  CHECK(first["unproven"] == 0);
  CHECK(first["real"] == first["real_accepted"]);
  CHECK(first["unsafe"] > 300);
  CHECK(first["safe"] > 100);
  CHECK(first["programs_per_second"] > 0);
  CHECK(first["disagreements"].empty());
  uint64_t in_classes = 0;
  for (const auto& [name, tally] : first["per_class"].items()) in_classes += tally["programs"].get<uint64_t>();
  CHECK(in_classes == 1000);
  for (const char* key : {"seconds", "validator_seconds", "programs_per_second", "validations_per_second"}) {
    CHECK(first.erase(key) == 1);
    CHECK(second.erase(key) == 1);
  }
  CHECK(first == second);
}

TEST_CASE("a campaign in words is a table of its classes") {
  const Outcome outcome = run_amk({"validate", "--campaign", "--count", "300"});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out.starts_with("class "));
  CHECK(outcome.out.find("programs a second") != std::string::npos);
}

TEST_CASE("a replayed program can be validated as a file, and is found to be the same") {
  const Scratch scratch;
  uint32_t rejected = 0;
  for (int seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    const Json replayed = run_json({"validate", "--replay", std::to_string(seed)}, 0);
    CHECK(replayed["verdict"] == "agree");
    CHECK(replayed["seed"] == seed);
    // A program that names what does not exist, or an instruction with parameters of another, is no file to read.
    const std::string file = scratch.write("program.json", replayed["program"].dump());
    const Outcome outcome = run_amk({"validate", file});
    CHECK((outcome.exit_code == 0) == (replayed["outcome"] == "accepted"));
    rejected += outcome.exit_code != 0 ? 1 : 0;
    CHECK(run_amk({"validate", "--replay", std::to_string(seed)}).out.find(replayed["class"]) != std::string::npos);
  }
  CHECK(rejected > 0);
  CHECK(rejected < 12);
}

TEST_CASE("a campaign takes no program and no schedule, and its options mean nothing without it") {
  struct Case {
    std::vector<std::string> arguments;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {{"validate"}, "expected FILE|BUNDLE|MODEL, found nothing"},
      {{"validate", "toy", "--campaign"}, "expected no FILE|BUNDLE|MODEL beside --campaign or --replay"},
      {{"validate", "toy", "--replay", "3"}, "expected no FILE|BUNDLE|MODEL beside --campaign or --replay"},
      {{"validate", "--campaign", "--replay", "3"}, "--campaign excludes --replay"},
      {{"validate", "toy", "--count", "3"}, "--count requires --campaign"},
      {{"validate", "--campaign", "--count", "0"}, "expected an integer from 1 to 4294967295, found '0'"},
      {{"validate", "--campaign", "--gpu", "t4"}, "expected no schedule beside --campaign or --replay, found one"},
      {{"validate", "--replay", "9007199254740992"}, "expected an integer from 0 to 9007199254740991"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_amk(c.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find(c.expected) != std::string::npos);
  }
}
