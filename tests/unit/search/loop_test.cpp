#include "search/loop.h"

#include <doctest/doctest.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <sstream>

#include "search/trial_json.h"
#include "support/gates.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

/// Says what it was given, in order; an empty optional is a failure.
class Script final : public Proposer {
 public:
  explicit Script(std::deque<std::optional<schedule::ScheduleConfig>> configs) : configs_(std::move(configs)) {}
  Result<std::optional<Proposal>> next(const Campaign&) override {
    if (configs_.empty()) return std::optional<Proposal>();
    const auto config = configs_.front();
    configs_.pop_front();
    if (!config) return Error{ErrorCode::kBadInput, "expected an answer, found none", "script", ""};
    return std::optional(test::propose(*config));
  }

 private:
  std::deque<std::optional<schedule::ScheduleConfig>> configs_;
};

struct Fixture {
  test::TempDirectory directory;
  std::vector<std::string> recovered;
  Workspace workspace = Workspace::open(directory.path(), recovered).value();
  History history = History::open(workspace, recovered).value();
  test::GateBench bench;
  Gate gate = Gate::open(bench.predicted(), test::first_config(), 0, bench.pool).value();
  Campaign campaign = history.begin("night", test::a_header(), gate.incumbent()).value();
  std::atomic<bool> stop{false};

  LoopEnd run(Proposer& proposer, const MoveOnRules& rules) {
    auto end = run_loop({workspace, history, campaign, gate, proposer, rules, &stop});
    REQUIRE_MESSAGE(end.ok(), (end.ok() ? "" : end.error().text()));
    return *end;
  }
  LoopEnd walk(const MoveOnRules& rules) {
    const auto proposer = make_walk({}, [&](const schedule::ScheduleConfig& config) { return gate.rank(config); });
    return run(*proposer, rules);
  }
};

std::vector<Json> lines_of(const std::filesystem::path& path) {
  std::vector<Json> out;
  std::istringstream text(test::slurp(path));
  for (std::string line; std::getline(text, line);) out.push_back(Json::parse(line));
  return out;
}

MoveOnRules only(uint32_t trials) {
  MoveOnRules out;
  out.trials = trials;
  return out;
}

}  // namespace

TEST_CASE("the loop finds a faster schedule, and history, corpus and gate agree about it") {
  Fixture fixture;
  const LoopEnd end = fixture.walk(only(40));
  CHECK(end.rule == MoveOn::kTrials);
  CHECK(end.trials == 40);
  CHECK(end.kept > 0);
  const Campaign read = fixture.history.read("night").value().value();
  CHECK(read.trials == fixture.campaign.trials);
  CHECK(read.incumbent == fixture.gate.incumbent());
  CHECK(read.incumbent.latency_us < 0.99 * read.start.latency_us);
  CHECK(speedup_of(read) == doctest::Approx(read.start.latency_us / read.incumbent.latency_us));
  const std::vector<Json> corpus = lines_of(fixture.workspace.corpus());
  REQUIRE(corpus.size() == 40);
  for (size_t i = 0; i < corpus.size(); ++i) {
    CHECK(corpus[i]["trial"] == i + 1);
    CHECK(corpus[i]["campaign"] == "night");
    CHECK(corpus[i]["about"]["target"] == "h100");
    CHECK(corpus[i]["schedule"].is_object());
    CHECK(corpus[i].contains("kernel_hash"));
  }
}

TEST_CASE("a run that is cut in two tries what one run tries") {
  Fixture whole;
  whole.walk(only(24));
  Fixture cut;
  cut.walk(only(9));
  cut.gate =
      Gate::open(cut.bench.predicted(), cut.campaign.incumbent.config, cut.campaign.incumbent.trial, cut.bench.pool)
          .value();
  cut.campaign = cut.history.read("night").value().value();
  cut.walk(only(15));
  REQUIRE(cut.campaign.trials.size() == 24);
  for (size_t i = 0; i < 24; ++i) CHECK(cut.campaign.trials[i].proposal == whole.campaign.trials[i].proposal);
}

TEST_CASE("every rule ends a run by its name") {
  const auto nothing = std::optional<schedule::ScheduleConfig>();
  SUBCASE("exhausted") {
    Fixture fixture;
    Script script({test::slower_config()});
    const LoopEnd end = fixture.run(script, {});
    CHECK(end.rule == MoveOn::kExhausted);
    CHECK(end.trials == 1);
  }
  SUBCASE("reverts in a row, counted anew after a keep") {
    Fixture fixture;
    MoveOnRules rules;
    rules.reverts = 2;
    Script script({test::slower_config(), test::faster_config(), test::slower_config(), test::slower_config()});
    const LoopEnd end = fixture.run(script, rules);
    CHECK(end.rule == MoveOn::kReverts);
    CHECK(end.trials == 4);
    CHECK(end.kept == 1);
  }
  SUBCASE("speed-up") {
    Fixture fixture;
    MoveOnRules rules;
    rules.speedup = 1.05;
    Script script({test::slower_config(), test::faster_config(), test::slower_config()});
    const LoopEnd end = fixture.run(script, rules);
    CHECK(end.rule == MoveOn::kSpeedup);
    CHECK(end.trials == 2);
  }
  SUBCASE("near the floor") {
    Fixture fixture;
    MoveOnRules rules;
    rules.pct_of_floor = 0.01;
    const LoopEnd end = fixture.walk(rules);
    CHECK(end.rule == MoveOn::kNearFloor);
    CHECK(end.trials == 0);
  }
  SUBCASE("minutes") {
    Fixture fixture;
    MoveOnRules rules;
    rules.minutes = 1e-9;
    CHECK(fixture.walk(rules).rule == MoveOn::kMinutes);
  }
  SUBCASE("failures in a row; each is a trial that says so") {
    Fixture fixture;
    Script script({nothing, test::slower_config(), nothing, nothing, nothing, test::slower_config()});
    const LoopEnd end = fixture.run(script, {});
    CHECK(end.rule == MoveOn::kFailures);
    CHECK(end.trials == 5);
    CHECK(fixture.campaign.trials.front().outcome == Outcome::kRefused);
    CHECK(fixture.campaign.trials.front().reason.starts_with("the proposer failed: script"));
  }
  SUBCASE("interrupted") {
    Fixture fixture;
    fixture.stop = true;
    CHECK(fixture.walk({}).rule == MoveOn::kInterrupted);
  }
}

TEST_CASE("a trial that the corpus lost to a kill is put there when the campaign goes on, once") {
  Fixture fixture;
  fixture.walk(only(3));
  const std::string text = test::slurp(fixture.workspace.corpus());
  test::spill(fixture.workspace.corpus(), text.substr(0, text.rfind('\n', text.size() - 2) + 1));
  REQUIRE(lines_of(fixture.workspace.corpus()).size() == 2);
  REQUIRE(mend_corpus(fixture.workspace, fixture.campaign).ok());
  REQUIRE(mend_corpus(fixture.workspace, fixture.campaign).ok());
  CHECK(test::slurp(fixture.workspace.corpus()) == text);
}

TEST_CASE("somebody else's commit ends the run, and is still there") {
  Fixture fixture;
  const Campaign before = fixture.campaign;
  Campaign theirs = fixture.campaign;
  REQUIRE(fixture.history.append(theirs, test::a_trial(1)).ok());  // another writer
  const auto proposer = make_walk({}, [](const schedule::ScheduleConfig&) { return std::optional<double>(); });
  const auto end =
      run_loop({fixture.workspace, fixture.history, fixture.campaign, fixture.gate, *proposer, only(3), nullptr});
  REQUIRE_FALSE(end.ok());
  CHECK(fixture.history.read("night").value()->tip == theirs.tip);
}
