#include "search/halving.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "search/loop.h"
#include "support/gates.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

Gate open(test::GateBench& bench, const GateOptions& options,
          const schedule::ScheduleConfig& config = test::first_config()) {
  auto gate = Gate::open(options, config, 0, bench.pool);
  REQUIRE_MESSAGE(gate.ok(), (gate.ok() ? "" : gate.error().text()));
  return std::move(gate).value();
}

/// As fast as one another, by prediction and in the fake worker: they turn what neither looks at.
std::vector<Proposal> alike(uint32_t count) {
  std::vector<Proposal> out;
  for (uint32_t i = 0; i < count; ++i) {
    schedule::ScheduleConfig config = test::first_config();
    config.pipelining_depth = 2 + i;
    out.push_back(test::propose(config));
  }
  return out;
}

struct Told {
  std::vector<Trial> left;
  std::optional<Trial> decided;
  /// How many reasons begin so.
  [[nodiscard]] int64_t beginning(const std::string& start) const {
    return std::ranges::count_if(left, [&](const Trial& trial) { return trial.reason.starts_with(start); });
  }
};

Told judge(Gate& gate, const std::vector<Proposal>& proposals, const HalvingOptions& options = {16}) {
  Told out;
  auto decided = judge_round(gate, proposals, options, [&](const Trial& trial) {
    out.left.push_back(trial);
    return true;
  });
  REQUIRE_MESSAGE(decided.ok(), (decided.ok() ? "" : decided.error().text()));
  out.decided = *decided;
  return out;
}

}  // namespace

TEST_CASE("with measurements: all are ranked, a quarter is built and verified, half of it goes on, one is decided") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  Gate gate = open(bench, bench.measured());
  std::vector<Proposal> proposals = alike(15);
  proposals.push_back(test::propose(test::faster_config()));
  const Told told = judge(gate, proposals);
  CHECK(told.left.size() == 15);
  CHECK(told.beginning("left at rung 1 of 4: ") == 12);
  CHECK(told.beginning("left at rung 2 of 4: ") == 2);
  CHECK(told.beginning("left at rung 3 of 4: ") == 1);
  for (const Trial& trial : told.left) {
    CHECK(trial.outcome == Outcome::kReverted);
    CHECK_FALSE(trial.schedule_id.empty());
    const bool ranked_only = trial.reason.starts_with("left at rung 1");
    CHECK(trial.measurement.has_value() != ranked_only);  // a prediction is no latency of a campaign that measures
    CHECK(trial.correctness.established != ranked_only);
    if (ranked_only) CHECK(trial.reason.find("us, predicted, place ") != std::string::npos);
    if (ranked_only) continue;
    CHECK(trial.correctness.correct);
    CHECK(trial.measurement->blocks == (trial.reason.starts_with("left at rung 2") ? 10 : 30));
  }
  REQUIRE(told.decided.has_value());
  CHECK(told.decided->outcome == Outcome::kKept);
  CHECK(told.decided->proposal.config == test::faster_config());
  CHECK(told.decided->measurement->blocks == 20);  // its own: the 30 of the rungs do not count
  CHECK(gate.incumbent().config == test::faster_config());
}

TEST_CASE("what looked fast in the rungs is not kept for that: the decision takes blocks of its own") {
  // A program is timed 50 times while it is verified, and 20 and 40 times in the rungs; the incumbent's luck is spent
  // when the gate is open.
  const test::Environment way("AMK_FAKE", "lucky:110");
  test::GateBench bench;
  GateOptions options = bench.measured();
  options.device_bytes = 100'000'000;  // none is loaded twice
  Gate gate = open(bench, options);
  const Told told = judge(gate, alike(16));
  REQUIRE(told.decided.has_value());
  CHECK(told.decided->outcome == Outcome::kReverted);
  CHECK(told.decided->measurement->ratio.value == doctest::Approx(1).epsilon(0.01));
  for (const Trial& trial : told.left) {
    if (trial.measurement) CHECK(trial.measurement->ratio.value == doctest::Approx(0.9).epsilon(0.01));
  }
}

TEST_CASE("nothing is timed that is not verified, in no rung") {
  const test::Environment way("AMK_FAKE",
                              "wrong:40");  // passes until then are the incumbent's, or the first candidate's
  test::GateBench bench;
  Gate gate = open(bench, bench.measured());
  const Told told = judge(gate, alike(16));
  std::map<Outcome, uint32_t> outcomes;
  for (const Trial& trial : told.left) {
    ++outcomes[trial.outcome];
    if (trial.outcome == Outcome::kIncorrect) CHECK_FALSE(trial.measurement.has_value());
    if (trial.measurement) CHECK(trial.correctness.correct);
  }
  CHECK(outcomes[Outcome::kIncorrect] >= 2);
  CHECK(outcomes[Outcome::kIncorrect] + outcomes[Outcome::kReverted] == told.left.size());
}

TEST_CASE("with room for one program, and with room for many, the same candidate is kept") {
  const test::Environment way("AMK_FAKE", "modelled");
  for (const uint64_t device_bytes : {uint64_t{0}, uint64_t{100'000'000}}) {
    test::GateBench bench;
    GateOptions options = bench.measured();
    options.device_bytes = device_bytes;
    Gate gate = open(bench, options, test::slower_config());
    CHECK(gate.room() == (device_bytes == 0 ? 1 : 63));
    std::vector<Proposal> proposals = alike(14);
    proposals.push_back(test::propose(test::faster_config()));
    proposals.push_back(test::propose(test::first_config()));
    const Told told = judge(gate, proposals);
    CHECK(told.left.size() == 15);
    REQUIRE(told.decided.has_value());
    CHECK(told.decided->outcome == Outcome::kKept);
    CHECK(told.decided->proposal.config == test::faster_config());
  }
}

TEST_CASE("a worker that dies in a rung costs that candidate; the others go on in another one") {
  const test::Environment way("AMK_FAKE", "crash:60");
  test::GateBench bench;
  Gate gate = open(bench, bench.measured());
  const Told told = judge(gate, alike(16));
  const auto broken =
      std::ranges::count_if(told.left, [](const Trial& trial) { return trial.outcome == Outcome::kBroken; });
  CHECK(broken > 0);
  CHECK(told.left.size() + (told.decided ? 1 : 0) == 16);
}

TEST_CASE("with predictions one rung ranks, and the best goes to the decision; what is no program is refused") {
  test::GateBench bench;
  Gate gate = open(bench, bench.predicted());
  std::vector<Proposal> proposals = {test::propose(test::slower_config()), test::propose(test::faster_config())};
  schedule::ScheduleConfig refused;
  refused.smem_bytes_per_block = 16384;
  refused.pipelining_depth = 32;
  proposals.push_back(test::propose(refused));
  const Told told = judge(gate, proposals);
  REQUIRE(told.left.size() == 2);
  CHECK(told.left[0].outcome == Outcome::kRefused);
  CHECK(told.left[1].reason.starts_with("left at rung 1 of 2: "));
  CHECK(told.decided->outcome == Outcome::kKept);
  CHECK(rungs_of(1, gate.kind()) == 1);
}

TEST_CASE("the loop runs rounds in two lanes; each candidate is a trial of its own") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::TempDirectory directory;
  std::vector<std::string> recovered;
  Workspace workspace = Workspace::open(directory.path(), recovered).value();
  History history = History::open(workspace, recovered).value();
  test::GateBench bench;
  Gate gate = open(bench, bench.measured(), test::slower_config());
  ThreadPool pool(1);
  Gate other = gate.beside(test::GateBench::lane({FAKE_WORKER_PROGRAM}), pool);
  Campaign campaign = history.begin("night", test::a_header(), gate.incumbent()).value();
  const auto walk = make_walk({}, [&](const schedule::ScheduleConfig& config) { return gate.rank(config); });
  Loop loop{workspace, history, campaign, gate, *walk, {}};
  loop.rules.trials = 20;
  loop.more_lanes = {&other};
  loop.halving.candidates = 8;
  const auto end = run_loop(loop);
  REQUIRE_MESSAGE(end.ok(), (end.ok() ? "" : end.error().text()));
  CHECK(end->trials == 20);
  CHECK(history.read("night").value()->trials == campaign.trials);
  const auto left = std::ranges::count_if(
      campaign.trials, [](const Trial& trial) { return trial.reason.starts_with("left at rung 1 of "); });
  CHECK(left >= 12);
  CHECK(end->kept > 0);
}
