#include "search/proposer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "schedule/schedule_config_json.h"
#include "search/search_space.h"
#include "search/trial_json.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

Campaign fresh(uint64_t seed = 42) {
  Campaign out;
  out.name = "night";
  out.header = test::a_header();
  out.header.seed = seed;
  out.start = out.incumbent = test::a_start();
  return out;
}

/// Takes what the proposer says as tried, and as reverted.
Proposal take(Proposer& proposer, Campaign& campaign) {
  const auto next = proposer.next(campaign);
  REQUIRE(next.ok());
  REQUIRE(next->has_value());
  Trial trial;
  trial.number = static_cast<uint32_t>(campaign.trials.size() + 1);
  trial.proposal = **next;
  campaign.trials.push_back(trial);
  return **next;
}

std::optional<double> no_rank(const schedule::ScheduleConfig&) { return std::nullopt; }

Result<std::optional<Proposal>> ask(const std::string& command, const Campaign& campaign = fresh()) {
  return make_command_proposer({command, std::chrono::seconds(5), 4096})->next(campaign);
}

}  // namespace

TEST_CASE(
    "the walk is replayable: the same seed and trials give the same proposals, also when it is picked up midway") {
  Campaign first = fresh();
  Campaign second = fresh();
  Campaign other = fresh(43);
  const auto walk = make_walk({}, no_rank);
  bool differs = false;
  for (uint32_t i = 0; i < 40; ++i) {
    const Proposal one = take(*walk, first);
    const Proposal same = take(*make_walk({}, no_rank), second);  // a new process each time
    CHECK(one == same);
    differs = differs || !(take(*walk, other).config == one.config);
  }
  CHECK(differs);
}

TEST_CASE("the walk proposes nothing twice, only legal knobs, and says what it turned") {
  Campaign campaign = fresh();
  const auto walk = make_walk({}, no_rank);
  std::set<std::string> seen = {schedule::config_to_json({})};
  for (uint32_t i = 0; i < 150; ++i) {
    const Proposal proposal = take(*walk, campaign);
    CHECK(schedule::check_knobs(proposal.config).empty());
    CHECK(seen.insert(schedule::config_to_json(proposal.config)).second);
    CHECK(proposal.change == describe_change({}, proposal.config));
    CHECK(proposal.change != "nothing");
  }
}

TEST_CASE("one knob at a time near the incumbent; several when it is stuck") {
  Campaign campaign = fresh();
  const WalkOptions options;
  const auto walk = make_walk(options, no_rank);
  for (uint32_t i = 0; i < options.restart_after; ++i) CHECK_FALSE(take(*walk, campaign).knob.empty());
  const Proposal restart = take(*walk, campaign);
  CHECK(restart.proposer == "restart");
  CHECK(restart.knob.empty());
  // A keep brings it back to the neighbourhood.
  campaign.incumbent = {static_cast<uint32_t>(campaign.trials.size()), restart.config, "x", 90, 10};
  CHECK(take(*walk, campaign).proposer != "restart");
}

TEST_CASE("greedy takes the best ranked, random does not look; epsilon is the share of the second") {
  const auto prefer_deep = [](const schedule::ScheduleConfig& config) -> std::optional<double> {
    return config.pipelining_depth ? 1.0 / *config.pipelining_depth : 1.0;
  };
  WalkOptions greedy;
  greedy.epsilon = 0;
  greedy.draw = 1000;
  Campaign campaign = fresh();
  const Proposal best = take(*make_walk(greedy, prefer_deep), campaign);
  CHECK(best.proposer == "greedy");
  CHECK(best.config.pipelining_depth == 32);
  WalkOptions random;
  random.epsilon = 1;
  for (uint32_t i = 0; i < 10; ++i) CHECK(take(*make_walk(random, prefer_deep), campaign).proposer == "random");
}

TEST_CASE("a command gets the campaign's state and may turn only what it wants to") {
  const test::TempDirectory directory;
  const std::string state_file = (directory.path() / "state").string();
  Campaign campaign = fresh();
  campaign.trials.push_back(test::a_trial(1));
  const auto answer =
      ask("cat > '" + state_file + R"('; echo '{"schedule": {"pipelining_depth": 8}, "note": "why"}')", campaign);
  REQUIRE_MESSAGE(answer.ok(), (answer.ok() ? "" : answer.error().text()));
  schedule::ScheduleConfig expected;
  expected.pipelining_depth = 8;
  CHECK((*answer)->config == expected);
  CHECK((*answer)->note == "why");
  CHECK((*answer)->change == "pipelining_depth=8");
  const Json state = Json::parse(test::slurp(state_file));
  CHECK(state["incumbent"]["schedule"]["pipelining_depth"] == "auto");
  CHECK(state["trials"][0]["reason"] == "1.00% slower");
  CHECK(state["trials"][0]["measurement"]["latency_kind"] == "predicted");
  CHECK(state["next_trial"] == 2);
  CHECK(state["knobs"].size() == search_space({}).size());
}

TEST_CASE("a command may be done") {
  const auto answer = ask("echo '{\"done\": true}'");
  REQUIRE(answer.ok());
  CHECK_FALSE(answer->has_value());
}

TEST_CASE("an answer that is none is the proposer's failure") {
  for (const char* command :
       {"true", "echo nonsense", "echo '[]'", "echo '3'", "echo '{\"schedule\": 3}'", "echo '{\"done\": 1}'", "exit 1",
        "echo '{\"schedule\": {\"pipelining_dept\": 8}}'", "echo '{\"schedule\": {\"pipelining_depth\": 1000}}'",
        "echo '{\"schedule\": {}, \"note\": 3}'", "yes", "head -c 100000 /dev/zero", "sleep 60"}) {
    CAPTURE(command);
    CHECK_FALSE(ask(command).ok());
  }
}
