#include "search/gate.h"

#include <doctest/doctest.h>

#include "support/gates.h"

using namespace amk;
using namespace amk::search;
using test::faster_config;
using test::propose;
using test::slower_config;

namespace {

Gate open(test::GateBench& bench, const GateOptions& options,
          const schedule::ScheduleConfig& config = test::first_config()) {
  auto gate = Gate::open(options, config, 0, bench.pool);
  REQUIRE_MESSAGE(gate.ok(), (gate.ok() ? "" : gate.error().text()));
  return std::move(gate).value();
}

/// A schedule that lowers to nothing legal on any target.
schedule::ScheduleConfig refused_config() {
  schedule::ScheduleConfig out;
  out.smem_bytes_per_block = 16384;
  out.pipelining_depth = 32;
  return out;
}

}  // namespace

TEST_CASE("with predictions: faster is kept once it is correct, slower is given up, and both say predicted") {
  test::GateBench bench;
  Gate gate = open(bench, bench.predicted());
  const double before = gate.incumbent().latency_us;
  CHECK(gate.kind() == eval::LatencyKind::kPredicted);

  const Trial slower = gate.judge(propose(slower_config()), 1).value();
  CHECK(slower.outcome == Outcome::kReverted);
  CHECK_FALSE(slower.correctness.established);
  CHECK(slower.measurement->kind == eval::LatencyKind::kPredicted);
  CHECK(slower.reason.find("predicted") != std::string::npos);
  CHECK(gate.incumbent().trial == 0);

  const Trial faster = gate.judge(propose(faster_config()), 2).value();
  CHECK(faster.outcome == Outcome::kKept);
  CHECK(faster.correctness.correct);
  CHECK(faster.correctness.compared_positions == 3);
  CHECK(faster.measurement->latency_us < before);
  CHECK(faster.kernel_hash.size() == 64);
  CHECK(gate.incumbent().trial == 2);
  CHECK(gate.incumbent().config == faster_config());
  CHECK(gate.judge(propose(faster_config()), 3).value().outcome == Outcome::kReverted);
}

TEST_CASE("a predicted incumbent is compared as the cost model of today has it, whatever was written down") {
  test::GateBench bench;
  Gate gate = open(bench, bench.predicted());
  Incumbent of_yesterday = gate.incumbent();
  of_yesterday.latency_us *= 1.1;
  gate.adopt(of_yesterday);
  schedule::ScheduleConfig same = test::first_config();
  same.gate_up_pairs_ahead = 2;  // nothing that the cost model knows of
  const Trial trial = gate.judge(propose(same), 1).value();
  CHECK(trial.outcome == Outcome::kReverted);
  CHECK(trial.measurement->ratio.value == doctest::Approx(1));
}

TEST_CASE("with measurements: the same, by times of both in one worker, with an interval") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  Gate gate = open(bench, bench.measured());
  CHECK(gate.kind() == eval::LatencyKind::kMeasuredGpu);
  CHECK(gate.device() == "Fake H100 80GB HBM3");

  const Trial slower = gate.judge(propose(slower_config()), 1).value();
  CHECK(slower.outcome == Outcome::kReverted);
  CHECK(slower.correctness.correct);
  CHECK(slower.measurement->ratio.low > 1);

  const Trial faster = gate.judge(propose(faster_config()), 2).value();
  CHECK(faster.outcome == Outcome::kKept);
  CHECK(faster.measurement->kind == eval::LatencyKind::kMeasuredGpu);
  CHECK(faster.measurement->ratio.high < 0.99);
  CHECK(faster.measurement->blocks >= 20);
  CHECK(faster.measurement->floor_us > 0);
  CHECK(gate.incumbent().config == faster_config());
}

TEST_CASE("A/A: a program that only looks different is not kept, a simpler one that is as fast is") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  schedule::ScheduleConfig other;
  other.page_allocation = abi::PageAllocation::kNone;  // the cost model sees no difference
  Gate gate = open(bench, bench.measured(), {});
  const Trial as_fast = gate.judge(propose(other), 1).value();
  CHECK(as_fast.outcome == Outcome::kReverted);
  Gate turned = open(bench, bench.measured(), other);
  const Trial simpler = turned.judge(propose({}), 1).value();
  CHECK(simpler.outcome == Outcome::kKept);
  CHECK(simpler.reason.starts_with("as fast and simpler"));
}

TEST_CASE("ties cost no more together than one may: a simpler one is not kept where those before it spent the margin") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  schedule::ScheduleConfig other;
  other.page_allocation = abi::PageAllocation::kNone;
  Gate gate = open(bench, bench.measured(), other);
  Incumbent spent = gate.incumbent();
  for (const auto& [behind, outcome] : {std::pair{1.008, Outcome::kReverted},
                                        {1.005, Outcome::kReverted},
                                        {1.003, Outcome::kKept},
                                        {1.0, Outcome::kKept}}) {
    spent.behind_best = behind;
    gate.adopt(spent);
    const Trial trial = gate.judge(propose({}), 1).value();
    CHECK(trial.outcome == outcome);
    CHECK(trial.measurement->blocks < 640);  // without a margin nothing is to be waited for
  }
}

TEST_CASE("an incumbent knows how far ties may have brought it behind the fastest before it") {
  const auto kept = [](double ratio) {
    Trial trial;
    trial.outcome = Outcome::kKept;
    trial.measurement = Measurement{.ratio = {ratio - 0.001, ratio - 0.002, ratio}};
    return trial;
  };
  Incumbent of;
  of = incumbent_after(of, kept(0.95));
  CHECK(of.behind_best == 1);
  of = incumbent_after(of, kept(1.002));
  of = incumbent_after(of, kept(1.001));
  CHECK(of.behind_best == doctest::Approx(1.002 * 1.001));
  of = incumbent_after(of, kept(0.999));
  CHECK(of.behind_best == doctest::Approx(1.002 * 1.001 * 0.999));
  of = incumbent_after(of, kept(0.98));
  CHECK(of.behind_best == 1);
}

TEST_CASE("a latency under the floor is withheld: no number, no keep") {
  const test::Environment way("AMK_FAKE", "too-fast:2");  // the second program that is loaded
  test::GateBench bench;
  Gate gate = open(bench, bench.measured());
  const Trial trial = gate.judge(propose(faster_config()), 1).value();
  CHECK(trial.outcome == Outcome::kArtefact);
  CHECK_FALSE(trial.measurement.has_value());
  CHECK(trial.correctness.correct);
  CHECK(gate.incumbent().trial == 0);
  CHECK(gate.judge(propose(faster_config()), 2).value().outcome == Outcome::kKept);
}

TEST_CASE("wrong, NaN and unsteady outputs are never timed, however fast") {
  struct Case {
    const char* way;
    const char* reason;
  };
  // Passes until then are those of the incumbent.
  for (const Case& of : {Case{"wrong:40", "not the oracle's"}, Case{"nan:40", ""}}) {
    CAPTURE(of.way);
    const test::Environment way("AMK_FAKE", of.way);
    test::GateBench bench;
    Gate gate = open(bench, bench.measured(), {});
    schedule::ScheduleConfig other;
    other.page_allocation = abi::PageAllocation::kNone;
    Trial trial;
    for (uint32_t i = 1; i <= 10 && trial.outcome != Outcome::kIncorrect; ++i)
      trial = gate.judge(propose(other), i).value();
    CHECK(trial.outcome == Outcome::kIncorrect);
    CHECK(trial.correctness.established);
    CHECK_FALSE(trial.correctness.correct);
    CHECK_FALSE(trial.measurement.has_value());
    CHECK(gate.incumbent().config == schedule::ScheduleConfig{});
  }
}

TEST_CASE("a worker that crashes, hangs or faults costs the trial, and the incumbent is loaded and verified again") {
  for (const char* how : {"crash:40", "hang:40", "fault:40"}) {
    CAPTURE(how);
    const test::Environment way("AMK_FAKE", how);
    test::GateBench bench;
    Gate gate = open(bench, bench.measured());
    uint32_t broken = 0;
    uint32_t others = 0;
    for (uint32_t i = 1; i <= 8; ++i) {
      const auto trial = gate.judge(propose(slower_config()), i);
      REQUIRE_MESSAGE(trial.ok(), (trial.ok() ? "" : trial.error().text()));
      (trial->outcome == Outcome::kBroken ? broken : others) += 1;
      if (trial->outcome == Outcome::kBroken) CHECK_FALSE(trial->measurement.has_value());
    }
    CHECK(broken > 0);
    CHECK(others > 0);
  }
}

TEST_CASE("what cannot be lowered or validated is refused with the finding, and costs no machine") {
  test::GateBench bench;
  Gate gate = open(bench, bench.predicted());
  const Trial trial = gate.judge(propose(refused_config()), 1).value();
  CHECK(trial.outcome == Outcome::kRefused);
  CHECK_FALSE(trial.reason.empty());
  CHECK_FALSE(gate.rank(refused_config()).has_value());
  CHECK_FALSE(Gate::open(bench.predicted(), refused_config(), 0, bench.pool).ok());
}

TEST_CASE("a start that is incorrect opens no gate") {
  const test::Environment way("AMK_FAKE", "wrong:1");
  test::GateBench bench;
  const auto gate = Gate::open(bench.measured(), {}, 0, bench.pool);
  REQUIRE_FALSE(gate.ok());
  CHECK(gate.error().message.find("not the oracle's") != std::string::npos);
}

TEST_CASE("the oracle is asked once for a campaign, and what it said judges every candidate") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  GateOptions options = bench.measured();
  uint32_t asked = 0;
  options.progress = [&asked](std::string_view step, uint32_t done, uint32_t) {
    asked += step == "asking the oracle" && done == 1 ? 1 : 0;
  };
  Gate gate = open(bench, options);
  CHECK(asked == 3);  // the first positions, one in the middle, the last
  const Trial trial = gate.judge(propose(faster_config()), 1).value();
  CHECK(trial.outcome == Outcome::kKept);
  CHECK(trial.correctness.compared_positions == 5);
  CHECK(asked == 3);
}

TEST_CASE("200 A/A trials through the whole gate: none is kept") {
  const test::Environment way("AMK_FAKE", "modelled");
  test::GateBench bench;
  Gate gate = open(bench, bench.measured(), {});
  uint32_t kept = 0;
  for (uint32_t i = 1; i <= 200; ++i) {
    schedule::ScheduleConfig same;
    same.pipelining_depth = 2 + i % 3;  // the fake worker's times know nothing of it
    kept += gate.judge(propose(same), i).value().outcome == Outcome::kKept ? 1 : 0;
  }
  CHECK(kept <= 10);
  MESSAGE("kept ", kept, " of 200");
}
