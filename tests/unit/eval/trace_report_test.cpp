#include "eval/trace_report.h"

#include <doctest/doctest.h>

#include "support/lowered.h"
#include "support/traced.h"

using namespace amk;

namespace {

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

double sum(const eval::TimeShares& shares) {
  return shares.idle_us + shares.waiting_us + shares.skew_us + shares.staging_us + shares.products_us +
         shares.publishing_us + shares.tail_us;
}

}  // namespace

TEST_CASE("a task's phases lie between its stamps, and waiting ends when its last producer has published") {
  const test::TracedMini mini = test::traced_mini();
  const Result<eval::Timeline> timeline = eval::timeline_of(mini.pass());
  REQUIRE(timeline.ok());
  CHECK(timeline->sms == 3);
  CHECK(timeline->span_us == doctest::Approx(20));
  // Queue 0: a fill that ends at 4, then the sum of both fills; the other ends at 8.
  const eval::TaskTimes& first = timeline->tasks[0];
  CHECK(first.waiting() == doctest::Approx(0));
  CHECK(first.staging() == doctest::Approx(0));  // never stamped
  CHECK(first.products() == doctest::Approx(3));
  CHECK(first.publishing() == doctest::Approx(1));
  const eval::TaskTimes& last = timeline->tasks[1];
  CHECK(last.idle() == doctest::Approx(1));
  CHECK(last.waiting() == doctest::Approx(3));  // from 5 to 8, though `ready` is 5: packets
  CHECK(last.skew_us == doctest::Approx(0));    // each producer has a counter of its own
  CHECK(last.staging() == doctest::Approx(2));
  CHECK(last.products() == doctest::Approx(8));
  CHECK(last.publishing() == doctest::Approx(2));
}

TEST_CASE("the shares of an SM's time sum to the span") {
  const test::TracedMini mini = test::traced_mini();
  const Result<eval::Timeline> timeline = eval::timeline_of(mini.pass());
  REQUIRE(timeline.ok());
  const eval::TraceSummary summary = eval::summarize_trace(mini.pass(), *timeline, 0);
  CHECK(sum(summary.shares) == doctest::Approx(20));
  CHECK(summary.wait_us() + summary.shares.skew_us + summary.stream_us() + summary.compute_us() == doctest::Approx(20));
  CHECK(summary.compute_us() == 0);  // no floor is known
}

TEST_CASE("waiting for the slowest of several producers of one counter is skew beyond their mean") {
  test::TracedMini mini = test::traced_mini();
  // Both fills signal one counter, which the sum waits for: they end at 4 and 8, 6 in the mean.
  schedule::Program& program = mini.mini.program;
  const CounterId counter = program.tasks[0].signal;
  program.tasks[1].signal = counter;
  program.tasks[2].waits = {{counter, 2}};
  const Result<eval::Timeline> timeline = eval::timeline_of(mini.pass());
  REQUIRE(timeline.ok());
  CHECK(timeline->tasks[1].waiting() == doctest::Approx(3));
  CHECK(timeline->tasks[1].skew_us == doctest::Approx(2));
}

TEST_CASE("the bottleneck is the largest of stream, compute, wait and skew") {
  eval::TraceSummary summary;
  summary.span_us = 100;
  summary.floor_us = 60;
  summary.shares.products_us = 70;
  summary.shares.staging_us = 20;
  summary.shares.skew_us = 10;
  CHECK(summary.stream_us() == 60);
  CHECK(summary.compute_us() == 10);
  CHECK(summary.wait_us() == 20);
  CHECK(summary.bottleneck() == eval::Bottleneck::kStream);
  CHECK(summary.largest_loss() == eval::Bottleneck::kWait);
  summary.floor_us = 15;
  CHECK(summary.bottleneck() == eval::Bottleneck::kCompute);
  summary.shares = {};
  summary.shares.skew_us = 80;
  summary.shares.products_us = 15;
  CHECK(summary.bottleneck() == eval::Bottleneck::kSkew);
}

TEST_CASE("operations are the same over all layers, and their advances sum to the span") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const schedule::Program program = test::lower(model);
  const test::MadeUpTrace trace(program);
  const Result<eval::Timeline> timeline = eval::timeline_of(trace.pass());
  REQUIRE(timeline.ok());
  const eval::TraceSummary summary = eval::summarize_trace(trace.pass(), *timeline, 1.0);
  std::vector<std::string> names;
  double advance = 0;
  uint32_t tasks = 0;
  for (const eval::OperationTimes& operation : summary.operations) {
    names.push_back(operation.name);
    advance += operation.advance_us;
    tasks += operation.tasks;
    CHECK(operation.spread_us >= 0);
  }
  CHECK(names == std::vector<std::string>{"embed", "qkv", "attention", "attention_combine", "o", "gate_up", "down",
                                          "lm_head", "argmax", "argmax"});
  CHECK(tasks == program.tasks.size());
  CHECK(advance == doctest::Approx(summary.span_us));
  CHECK(summary.operations[1].levels == 2);
  CHECK(summary.levels.size() == 16);
  CHECK(summary.levels[1].name == "l0.qkv");
  CHECK(sum(summary.shares) == doctest::Approx(summary.span_us));
  const std::string text = eval::trace_text(summary);
  for (const char* part : {"gate_up", "bottleneck: ", "the largest loss is ", "16 levels", "tail"})
    CHECK(has(text, part));
}

TEST_CASE("records that do not fit the program are refused") {
  const test::TracedMini mini = test::traced_mini();
  eval::TracedPass pass = mini.pass();
  pass.records = pass.records.subspan(1);
  CHECK(eval::timeline_of(pass).error().code == ErrorCode::kUsage);
  test::TracedMini unrecorded = test::traced_mini();
  unrecorded.records[1].published = 0;
  const Result<eval::Timeline> missing = eval::timeline_of(unrecorded.pass());
  REQUIRE_FALSE(missing.ok());
  CHECK(has(missing.error().message, "has no record"));
}
