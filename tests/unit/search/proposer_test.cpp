#include "search/proposer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "schedule/schedule_config_json.h"
#include "search/search_space.h"
#include "search/trial_json.h"
#include "support/environment.h"
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

/// A proposer of ODD_PROPOSER_LIBRARY, which does as `way` says.
class OddLibrary {
 public:
  explicit OddLibrary(const char* way, std::chrono::milliseconds time = std::chrono::seconds(20))
      : way_("AMK_ODD", way) {
    auto made = make_external_proposer({ODD_PROPOSER_LIBRARY, time});
    REQUIRE_MESSAGE(made.ok(), (made.ok() ? "" : made.error().text()));
    proposer_ = std::move(*made);
  }
  Result<std::optional<Proposal>> next() { return proposer_->next(fresh()); }

 private:
  test::Environment way_;
  std::unique_ptr<Proposer> proposer_;
};

Result<std::optional<Proposal>> ask(const std::string& command, const Campaign& campaign = fresh()) {
  const auto proposer = make_external_proposer({command, std::chrono::seconds(5), 4096});
  REQUIRE(proposer.ok());
  return (*proposer)->next(campaign);
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

TEST_CASE("what was faster by less than a keep asks for is tried together: all of it, then the best of it") {
  Campaign campaign = fresh();
  const WalkOptions options;
  const auto turned = [&](const std::string& knob, const std::string& value, double ratio) {
    Trial trial;
    trial.number = static_cast<uint32_t>(campaign.trials.size() + 1);
    REQUIRE(schedule::set_knob(trial.proposal.config, knob, value).ok());
    trial.measurement = Measurement{};
    trial.measurement->ratio = {ratio, ratio - 0.001, ratio + 0.001};
    campaign.trials.push_back(trial);
  };
  turned("threads_per_block", "448", 0.995);
  turned("threads_per_block", "256", 0.997);  // a better value of the same knob is there
  turned("pipelining_depth", "8", 0.993);
  turned("page_allocation", "\"linear\"", 0.9995);  // as good as nothing
  turned("tiling.attention.kv_block", "256", 0.996);
  const auto walk = make_walk(options, no_rank);
  while (campaign.trials.size() < options.combine_after) CHECK(take(*walk, campaign).proposer != "combined");
  const Proposal all = take(*walk, campaign);
  CHECK(all.proposer == "combined");
  CHECK(all.knob.empty());
  CHECK(all.change == "tiling.attention.kv_block=256, pipelining_depth=8, threads_per_block=448");
  CHECK(take(*walk, campaign).change == "pipelining_depth=8, threads_per_block=448");
  CHECK(take(*walk, campaign).proposer != "combined");
  // One more is found later: again all, and the best three.
  turned("kernel_knobs.copies_in_flight", "2", 0.99);
  CHECK(changed_knobs({}, take(*walk, campaign).config).size() == 4);
  CHECK(take(*walk, campaign).change == "pipelining_depth=8, kernel_knobs.copies_in_flight=2");
  CHECK(changed_knobs({}, take(*walk, campaign).config).size() == 3);
  CHECK(take(*walk, campaign).proposer != "combined");
  // What was won against an incumbent that has been replaced is nothing to build on.
  campaign.incumbent = {static_cast<uint32_t>(campaign.trials.size()), all.config, "x", 90, 10};
  for (uint32_t i = 0; i < options.restart_after; ++i) CHECK(take(*walk, campaign).proposer != "combined");
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

TEST_CASE("a shared library is loaded once for a run, and asked as a command is") {
  for (const char* way : {"", "babble"}) {
    CAPTURE(way);
    OddLibrary library(way);
    for (const char* note : {"call 1", "call 2"}) {
      const auto answer = library.next();
      REQUIRE_MESSAGE(answer.ok(), (answer.ok() ? "" : answer.error().text()));
      CHECK((*answer)->change == "pipelining_depth=8");
      CHECK((*answer)->proposer == "library");
      CHECK((*answer)->note == note);
    }
  }
  OddLibrary done("done");
  const auto answer = done.next();
  REQUIRE(answer.ok());
  CHECK_FALSE(answer->has_value());
}

TEST_CASE("a library that crashes, hangs, throws, fails or babbles without end costs the trial, and is asked again") {
  struct Case {
    const char* way;
    const char* says;
  };
  for (const Case& odd : {Case{"crash", "signal 6"}, Case{"hang", "0.5 s"}, Case{"throw", "a moment of weakness"},
                          Case{"fail", "found 3: out of ideas"}, Case{"long", "at most 1048576 bytes"}}) {
    CAPTURE(odd.way);
    OddLibrary library(odd.way, std::chrono::milliseconds(odd.way == std::string("hang") ? 500 : 20000));
    for (int i = 0; i < 2; ++i) {
      const auto answer = library.next();
      REQUIRE_FALSE(answer.ok());
      CHECK(answer.error().code == ErrorCode::kBadInput);
      CHECK(answer.error().location == ODD_PROPOSER_LIBRARY);
      CHECK_MESSAGE(answer.error().text().find(odd.says) != std::string::npos, answer.error().text());
    }
  }
}

TEST_CASE("what is no library, none of ours or none of this version is refused before the first trial") {
  const test::TempDirectory directory;
  const std::string text_file = (directory.path() / "text.so").string();
  test::spill(text_file, "no library");
  const auto refused = [](const std::string& named) {
    const auto made = make_external_proposer({named});
    return made.ok() ? std::string() : made.error().text();
  };
  CHECK(refused("/nowhere/mine.so").find("found no such file") != std::string::npos);
  CHECK(refused(text_file).find("that can be loaded") != std::string::npos);
  const test::Environment way("AMK_ODD", "future");
  CHECK(refused(ODD_PROPOSER_LIBRARY).find("of ABI 1, found 2") != std::string::npos);
  CHECK(refused("echo x.so").empty());  // a command, with a blank
}
