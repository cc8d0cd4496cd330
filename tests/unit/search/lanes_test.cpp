// Several lanes of one run: what they share, and what becomes of a lane whose worker fails.
#include <doctest/doctest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "schedule/schedule_config_json.h"
#include "search/loop.h"
#include "support/gates.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

/// One of two: which thread asks decides what it gets, once.
class ByThread final : public Proposer {
 public:
  ByThread(schedule::ScheduleConfig callers, schedule::ScheduleConfig others)
      : callers_(std::move(callers)), others_(std::move(others)) {}
  Result<std::optional<Proposal>> next(const Campaign&) override {
    std::optional<schedule::ScheduleConfig>& config = std::this_thread::get_id() == caller_ ? callers_ : others_;
    if (!config) return std::optional<Proposal>();
    return std::optional(test::propose(*std::exchange(config, std::nullopt)));
  }

 private:
  std::thread::id caller_ = std::this_thread::get_id();
  std::optional<schedule::ScheduleConfig> callers_;
  std::optional<schedule::ScheduleConfig> others_;
};

/// Says the same for ever; or, where there is nothing to say, fails with bytes that are no UTF-8.
class Stubborn final : public Proposer {
 public:
  explicit Stubborn(std::optional<schedule::ScheduleConfig> config) : config_(std::move(config)) {}
  Result<std::optional<Proposal>> next(const Campaign&) override {
    if (!config_) return Error{ErrorCode::kBadInput, "expected an answer, found \xff\xfe", "stubborn", ""};
    return std::optional(test::propose(*config_));
  }

 private:
  std::optional<schedule::ScheduleConfig> config_;
};

/// A flag that threads wait for; not for ever.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

struct Fixture {
  test::TempDirectory directory;
  std::vector<std::string> recovered;
  Workspace workspace = Workspace::open(directory.path(), recovered).value();
  History history = History::open(workspace, recovered).value();
  test::GateBench bench;
  std::deque<ThreadPool> pools;
  std::deque<Gate> gates;
  std::optional<Campaign> campaign;
  std::function<void(const Trial&)> on_trial;

  explicit Fixture(const GateOptions& options, const schedule::ScheduleConfig& start = test::first_config()) {
    auto gate = Gate::open(options, start, 0, bench.pool);
    REQUIRE_MESSAGE(gate.ok(), (gate.ok() ? "" : gate.error().text()));
    gates.push_back(std::move(gate).value());
    campaign = history.begin("night", test::a_header(), gates.front().incumbent()).value();
  }
  void add_lane(const GateOptions& options) {
    pools.emplace_back(1);
    gates.push_back(gates.front().beside(options, pools.back()));
  }
  LoopEnd run(Proposer& proposer, const MoveOnRules& rules) {
    Loop loop{workspace, history, *campaign, gates.front(), proposer, rules};
    loop.on_trial = on_trial;
    for (size_t i = 1; i < gates.size(); ++i) loop.more_lanes.push_back(&gates[i]);
    auto end = run_loop(loop);
    REQUIRE_MESSAGE(end.ok(), (end.ok() ? "" : end.error().text()));
    return *end;
  }
  LoopEnd walk(uint32_t trials, uint32_t failures = 3) {
    MoveOnRules rules;
    rules.trials = trials;
    rules.failures = failures;
    Gate& gate = gates.front();
    const auto proposer = make_walk({}, [&](const schedule::ScheduleConfig& config) { return gate.rank(config); });
    return run(*proposer, rules);
  }
};

/// Numbered without holes, nothing tried twice, and every keep was compared with the incumbent that it replaced.
void check_story(const Fixture& fixture) {
  const Campaign read = fixture.history.read("night").value().value();
  CHECK(read.trials == fixture.campaign->trials);
  CHECK(read.incumbent == fixture.campaign->incumbent);
  CHECK(fixture.campaign->in_flight.empty());
  std::set<std::string> seen;
  double incumbent_us = read.start.latency_us;
  for (size_t i = 0; i < read.trials.size(); ++i) {
    const Trial& trial = read.trials[i];
    CHECK(trial.number == i + 1);
    CHECK(seen.insert(schedule::config_to_json(trial.proposal.config)).second);
    if (trial.outcome != Outcome::kKept) continue;
    CHECK(trial.measurement->incumbent_us == doctest::Approx(incumbent_us).epsilon(0.005));
    incumbent_us = trial.measurement->latency_us;
  }
}

std::vector<std::string> fake(const char* way) {
  return {"/usr/bin/env", std::string("AMK_FAKE=") + way, FAKE_WORKER_PROGRAM};
}

}  // namespace

TEST_CASE("lanes with predictions share one campaign: nothing twice, no keep against an incumbent that is gone") {
  const test::GateBench bench;
  Fixture fixture(bench.predicted());
  for (int i = 0; i < 3; ++i) fixture.add_lane({});
  const LoopEnd end = fixture.walk(30);
  CHECK(end.rule == MoveOn::kTrials);
  CHECK(end.trials == 30);
  CHECK(end.notes.empty());
  CHECK(fixture.campaign->trials.size() == 30);
  check_story(fixture);
}

TEST_CASE("a keep against an incumbent that was replaced meanwhile is judged again, against the present one") {
  // Slowest to fastest; both are kept against the first.
  const std::vector<schedule::ScheduleConfig> configs = {test::slower_config(), test::first_config(),
                                                         test::faster_config()};
  for (const bool late_is_best : {true, false}) {
    CAPTURE(late_is_best);
    Signal late_has_begun;
    Signal first_is_kept;
    const test::GateBench bench;
    GateOptions options = bench.predicted();
    bool opened = false;
    options.progress = [&](std::string_view, uint32_t, uint32_t) {
      if (opened) late_has_begun.wait();
    };
    Fixture fixture(options, configs[0]);
    opened = true;
    GateOptions late;
    late.progress = [&](std::string_view, uint32_t, uint32_t) {
      late_has_begun.set();
      first_is_kept.wait();
    };
    fixture.add_lane(late);
    fixture.on_trial = [&](const Trial&) { first_is_kept.set(); };
    ByThread proposer(configs[late_is_best ? 1 : 2], configs[late_is_best ? 2 : 1]);
    CHECK(fixture.run(proposer, {}).rule == MoveOn::kExhausted);
    const std::vector<Trial>& trials = fixture.campaign->trials;
    REQUIRE(trials.size() == 2);
    CHECK(trials[0].outcome == Outcome::kKept);
    CHECK(trials[1].outcome == (late_is_best ? Outcome::kKept : Outcome::kReverted));
    CHECK(trials[1].measurement->incumbent_us == trials[0].measurement->latency_us);
    CHECK(trials[1].reason.find("replaced") == std::string::npos);
    CHECK(fixture.campaign->incumbent.config == configs[2]);
  }
}

namespace {

/// Is asked a second time while the first trial runs, and answers when that is kept.
class Overtaken : public Proposer {
 public:
  Signal asked_again;
  Signal kept;
};

/// What it comes to in two lanes with predictions, of which none ends a trial before the second question.
Campaign overtaken(Overtaken& proposer) {
  const test::GateBench bench;
  GateOptions options = bench.predicted();
  bool opened = false;
  options.progress = [&](std::string_view, uint32_t, uint32_t) {
    if (opened) proposer.asked_again.wait();
  };
  Fixture fixture(options, test::slower_config());
  opened = true;
  GateOptions other;
  other.progress = options.progress;
  fixture.add_lane(other);
  fixture.on_trial = [&](const Trial&) { proposer.kept.set(); };
  CHECK(fixture.run(proposer, {}).rule == MoveOn::kExhausted);
  return *fixture.campaign;
}

}  // namespace

TEST_CASE("a slow proposer keeps no other lane from remembering its trial; its change is told against what was kept") {
  // What is asked second is answered only when the first trial, a keep, is in the history.
  class Slow final : public Overtaken {
   public:
    Result<std::optional<Proposal>> next(const Campaign& campaign) override {
      if (asked_++ == 0) return std::optional(test::propose(test::first_config()));
      if (asked_ > 2) return std::optional<Proposal>();
      saw_trials = campaign.trials.size();
      asked_again.set();
      kept.wait();
      schedule::ScheduleConfig deeper = test::first_config();
      deeper.pipelining_depth = 8;
      return std::optional(test::propose(deeper));
    }
    size_t saw_trials = 99;

   private:
    uint32_t asked_ = 0;
  };
  Slow proposer;
  const Campaign campaign = overtaken(proposer);
  const std::vector<Trial>& trials = campaign.trials;
  REQUIRE(trials.size() == 2);
  CHECK(trials[0].outcome == Outcome::kKept);
  CHECK(proposer.saw_trials == 0);
  CHECK(trials[1].proposal.change == "pipelining_depth=8");
  CHECK(trials[1].proposal.knob == "pipelining_depth");
  CHECK(trials[1].measurement->against == 1);
}

TEST_CASE("a proposer that had nothing left is asked again when a trial has ended meanwhile") {
  // What is asked second finds nothing around the old incumbent; a keep comes before it says so.
  class OneMore final : public Overtaken {
   public:
    Result<std::optional<Proposal>> next(const Campaign& campaign) override {
      if (campaign.incumbent.trial == 1 && !std::exchange(moved_on_, true))
        return std::optional(test::propose(test::faster_config()));
      if (asked_++ == 0) return std::optional(test::propose(test::first_config()));
      asked_again.set();
      if (campaign.trials.empty()) kept.wait();
      return std::optional<Proposal>();
    }

   private:
    uint32_t asked_ = 0;
    bool moved_on_ = false;
  };
  OneMore proposer;
  const Campaign campaign = overtaken(proposer);
  REQUIRE(campaign.trials.size() == 2);
  CHECK(campaign.incumbent.config == test::faster_config());
}

TEST_CASE("lanes with measurements: each loads and verifies what another found, and compares with it") {
  const test::Environment way("AMK_FAKE", "modelled");
  const test::GateBench bench;
  Fixture fixture(bench.measured(), test::slower_config());
  fixture.add_lane(test::GateBench::lane({FAKE_WORKER_PROGRAM}));
  const LoopEnd end = fixture.walk(14);
  CHECK(end.trials == 14);
  CHECK(end.notes.empty());
  CHECK(end.kept > 0);
  check_story(fixture);
}

TEST_CASE("a lane whose worker crashes, babbles, hangs or cannot be started costs its trials, and is then closed") {
  struct Case {
    std::vector<std::string> worker;
    uint32_t failures;
    const char* reason;
  };
  const test::Environment way("AMK_FAKE", "modelled");
  for (const Case& of : {Case{fake("crash:1"), 3, "exit code 9"}, Case{fake("babble:1"), 3, "as text"},
                         Case{fake("hang:1"), 1, "its worker was killed"}, Case{{"/bin/false"}, 3, "exit code 1"},
                         Case{{"/no/such/launcher"}, 3, "cannot start"}}) {
    CAPTURE(of.reason);
    const test::GateBench bench;
    Fixture fixture(bench.measured());
    fixture.add_lane(test::GateBench::lane(of.worker));
    Gate& gate = fixture.gates.front();
    const auto proposer = make_walk({}, [&](const schedule::ScheduleConfig& config) { return gate.rank(config); });
    MoveOnRules rules;
    rules.failures = of.failures;
    // Until the lane is closed, and a few more.
    uint32_t broken = 0;
    std::string reason;
    fixture.on_trial = [&](const Trial& trial) {
      broken += trial.outcome == Outcome::kBroken ? 1 : 0;
      if (trial.outcome == Outcome::kBroken) reason = trial.reason;
    };
    std::vector<std::string> notes;
    rules.trials = 8;
    for (int i = 0; i < 40 && notes.empty(); ++i) {
      const LoopEnd end = fixture.run(*proposer, rules);
      CHECK(end.rule == MoveOn::kTrials);
      notes = end.notes;
    }
    REQUIRE(notes.size() == 1);
    CHECK(notes.front().starts_with("lane 2 of 2 was closed: "));
    CHECK(broken >= of.failures);
    CHECK_MESSAGE(reason.find(of.reason) != std::string::npos, reason);
    CHECK(fixture.campaign->trials.size() - broken > 0);
    check_story(fixture);
  }
}

TEST_CASE("a worker that fails now and then is replaced, and its lane goes on") {
  const test::Environment way("AMK_FAKE", "modelled");
  const test::GateBench bench;
  Fixture fixture(bench.measured());
  fixture.add_lane(test::GateBench::lane(fake("crash:60")));
  const LoopEnd end = fixture.walk(16);
  CHECK(end.rule == MoveOn::kTrials);
  CHECK(end.notes.empty());
  check_story(fixture);
}

TEST_CASE("when no lane is left the run ends by failures, and the history holds what was tried") {
  const test::Environment way("AMK_FAKE", "crash:40");  // after the first gate is open
  const test::GateBench bench;
  Fixture fixture(bench.measured());
  fixture.add_lane(test::GateBench::lane(fake("crash:1")));
  const LoopEnd end = fixture.walk(500, 1);
  CHECK(end.rule == MoveOn::kFailures);
  CHECK(end.why == "no lane is left of 2");
  CHECK(end.notes.size() == 2);
  check_story(fixture);
}

TEST_CASE("a proposer that repeats itself gets as many trials as were asked for, in however many lanes") {
  const test::GateBench bench;
  Fixture fixture(bench.predicted());
  for (int i = 0; i < 3; ++i) fixture.add_lane({});
  Stubborn proposer(test::slower_config());
  MoveOnRules rules;
  rules.trials = 7;
  CHECK(fixture.run(proposer, rules).trials == 7);
  CHECK(fixture.campaign->trials.size() == 7);
  CHECK(fixture.campaign->in_flight.empty());
}

TEST_CASE("bytes that are no text end no campaign: they are written as U+FFFD") {
  const test::GateBench bench;
  for (const bool lanes : {false, true}) {
    Fixture fixture(bench.predicted());
    if (lanes) fixture.add_lane({});
    Stubborn proposer(std::nullopt);
    CHECK(fixture.run(proposer, {}).rule == MoveOn::kFailures);
    const Campaign read = fixture.history.read("night").value().value();
    REQUIRE(read.trials.size() == 3);
    CHECK(read.trials[0].reason.find("found \xef\xbf\xbd") != std::string::npos);
  }
}

TEST_CASE("an exception in a lane is the run's error, not the process's end") {
  class Thrower final : public Proposer {
   public:
    Result<std::optional<Proposal>> next(const Campaign&) override { throw std::runtime_error("no more"); }
  };
  const test::GateBench bench;
  Fixture fixture(bench.predicted());
  fixture.add_lane({});
  Thrower proposer;
  Loop loop{fixture.workspace, fixture.history, *fixture.campaign, fixture.gates.front(), proposer, {}};
  loop.more_lanes.push_back(&fixture.gates.back());
  const auto end = run_loop(loop);
  REQUIRE_FALSE(end.ok());
  CHECK(end.error().message.find("no more") != std::string::npos);
}
