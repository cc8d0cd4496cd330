#include "campaign/campaign.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/files.h"
#include "campaign/campaign_json.h"
#include "campaign/mutation.h"
#include "support/mini_program.h"

using namespace amk;
using campaign::Campaign;
using campaign::Judgement;
using campaign::Sample;
using campaign::Verdict;
using Json = nlohmann::ordered_json;

namespace {

/// A report without what depends on the machine.
Json timeless(const campaign::Report& report) {
  Json json = Json::parse(campaign::report_to_json(report));
  for (const char* key : {"seconds", "validator_seconds", "programs_per_second", "validations_per_second"}) {
    REQUIRE(json.erase(key) == 1);
  }
  return json;
}

Sample sound_sample() {
  test::MiniProgram mini;
  const TaskId first = mini.fill(0, mini.vector("x"));
  const TaskId second = mini.fill(1, mini.vector("y"));
  mini.wait(second, {first});
  Sample sample;
  sample.program = mini.program;
  return sample;
}

}  // namespace

TEST_CASE("over 20,000 programs the validator and what is known of them agree, and every kind of program is common") {
  Campaign campaign;
  const campaign::Report report = campaign.run(20000, 20261122);
  INFO(campaign::report_text(report));
  CHECK(report.agrees());
  CHECK(report.all.programs == 20000);
  CHECK(report.all.safe > 4000);
  CHECK(report.real > 200);
  for (uint32_t i = 0; i < explorer::kFlawCount; ++i) {
    CAPTURE(explorer::flaw_name(static_cast<explorer::Flaw>(i)));
    CHECK(report.all.flaws[i] > 100);
  }
  // Near misses, not mostly cycles.
  CHECK(report.all.flaws[static_cast<size_t>(explorer::Flaw::kDeadlock)] < report.all.unsafe / 3);
  std::set<std::string> classes;
  for (const campaign::MutationInfo& mutation : campaign::kMutations) {
    classes.insert(std::string("small/") + mutation.name);
    classes.insert(std::string("mutant/") + mutation.name);
  }
  classes.insert({"small", "small/two-edits", "real"});
  std::set<std::string> found;
  for (const auto& [name, tally] : report.per_class) found.insert(name);
  CHECK(found == classes);
}

TEST_CASE("the same seed is the same campaign, and each program its own seed alone") {
  const campaign::Report report = Campaign().run(500, 3);
  CHECK(timeless(Campaign().run(500, 3)) == timeless(report));
  CHECK(timeless(Campaign().run(500, 4)) != timeless(report));
  Campaign forward, backward;
  std::vector<schedule::Program> programs;
  for (uint64_t i = 0; i < 100; ++i) programs.push_back(forward.draw(campaign::program_seed(3, i)).program);
  for (uint64_t i = 100; i-- > 0;) {
    CHECK(backward.draw(campaign::program_seed(3, i)).program == programs[i]);
    CHECK(campaign::program_seed(3, i) < uint64_t{1} << 53);
  }
}

TEST_CASE("a validator that accepts too much is found out") {
  Sample sample = sound_sample();
  sample.forbidden = true;  // as if an edit had broken what only the validator could see
  CHECK(Campaign().judge(sample).verdict == Verdict::kFalseAccept);
}

TEST_CASE("a validator that refuses too much is found out") {
  Sample sample = sound_sample();
  sample.program.launch.smem_bytes += 4;  // nothing that the explorer looks at
  const Judgement judgement = Campaign().judge(sample);
  CHECK(judgement.truth == explorer::Truth::kSafe);
  CHECK(judgement.verdict == Verdict::kFalseReject);
}

TEST_CASE("disagreements are counted, and spoil the report") {
  campaign::Report report;
  report.real = report.real_accepted = 3;
  CHECK(report.agrees());
  Judgement judgement;
  judgement.verdict = Verdict::kFalseReject;
  report.all.add(judgement);
  CHECK_FALSE(report.agrees());
  CHECK(report.all.false_rejects == 1);
  report = {};
  report.real = 3;
  report.real_accepted = 2;
  CHECK_FALSE(report.agrees());
}

TEST_CASE("every program of a campaign can be shown, with both findings") {
  Campaign campaign;
  for (uint64_t i = 0; i < 400; ++i) {
    const Sample sample = campaign.draw(campaign::program_seed(5, i));
    if (sample.program.tasks.size() > 400) continue;
    CAPTURE(sample.class_name);
    const Judgement judgement = campaign.judge(sample);
    const Json json = Json::parse(campaign::judgement_to_json(sample, judgement));
    CHECK(json["seed"] == sample.seed);
    CHECK(json["program"]["tasks"].size() == sample.program.tasks.size());
    CHECK((json["outcome"] == "rejected") == !json["findings"].empty());
    CHECK((json["known_by"] == "explorer" && json["truth"] != "safe") == !json["defects"].empty());
  }
}

TEST_CASE("docs/campaign.md has every class, and says of each how it is known") {
  const Result<std::string> text = read_file("docs/campaign.md", 1 << 20);
  REQUIRE(text.ok());
  for (const campaign::MutationInfo& mutation : campaign::kMutations) {
    CAPTURE(mutation.name);
    const char* known = mutation.known == campaign::Known::kExplored    ? "explorer"
                        : mutation.known == campaign::Known::kForbidden ? "construction"
                                                                        : "either";
    const std::string row = std::string("| `") + mutation.name + "` | " + mutation.doc + " | " + known + " |";
    CHECK(text->find(row) != std::string::npos);
  }
}
