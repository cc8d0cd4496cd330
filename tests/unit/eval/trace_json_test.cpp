#include "eval/trace_json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/golden_file.h"
#include "support/lowered.h"
#include "support/traced.h"

using namespace amk;
using Json = nlohmann::ordered_json;

TEST_CASE("Perfetto gets a track an SM, a slice a task and its phases within") {
  const test::TracedMini mini = test::traced_mini();
  const Result<eval::Timeline> timeline = eval::timeline_of(mini.pass());
  REQUIRE(timeline.ok());
  CHECK(test::is_golden("tests/golden/trace/mini.perfetto.json", eval::trace_to_perfetto(mini.pass(), *timeline)));
}

TEST_CASE("phases of a slice fill it") {
  const test::LoweredModel model = test::open_model("toy");
  const schedule::Program program = test::lower(model);
  const test::MadeUpTrace trace(program);
  const Result<eval::Timeline> timeline = eval::timeline_of(trace.pass());
  REQUIRE(timeline.ok());
  const Json events = Json::parse(eval::trace_to_perfetto(trace.pass(), *timeline))["traceEvents"];
  double tasks = 0;
  double phases = 0;
  size_t count = 0;
  for (const Json& event : events) {
    if (event["ph"] != "X") continue;
    CHECK(event["dur"] >= 0);
    (event["cat"] == "task" ? tasks : phases) += event["dur"].get<double>();
    if (event["cat"] == "task") ++count;
  }
  CHECK(count == program.tasks.size());
  CHECK(tasks == doctest::Approx(phases));
}

TEST_CASE("the summary's JSON holds every operation and level, and no floor where none is known") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const schedule::Program program = test::lower(model);
  const test::MadeUpTrace trace(program);
  const Result<eval::Timeline> timeline = eval::timeline_of(trace.pass());
  REQUIRE(timeline.ok());
  const eval::TraceSummary summary = eval::summarize_trace(trace.pass(), *timeline, 0);
  const Json json = Json::parse(eval::trace_summary_to_json(summary));
  CHECK(json["operations"].size() == summary.operations.size());
  CHECK(json["levels"].size() == 16);
  CHECK(json["levels"][15]["level"] == 15);
  CHECK(json["floor_us"].is_null());
  CHECK(json["bottleneck"] == eval::bottleneck_name(summary.bottleneck()));
}

TEST_CASE("a timeline is read as it was written, to a nanosecond; what is none is refused") {
  const test::TracedMini mini = test::traced_mini();
  const eval::Timeline timeline = eval::timeline_of(mini.pass()).value();
  const std::string text = eval::timeline_to_json(timeline);
  const Result<eval::Timeline> read = eval::timeline_from_json(text, "x");
  REQUIRE(read.ok());
  CHECK(read->sms == timeline.sms);
  CHECK(read->span_us == timeline.span_us);
  REQUIRE(read->tasks.size() == timeline.tasks.size());
  for (size_t i = 0; i < timeline.tasks.size(); ++i) {
    CHECK(read->tasks[i].sm == timeline.tasks[i].sm);
    CHECK(read->tasks[i].begin_us == doctest::Approx(timeline.tasks[i].begin_us));
    CHECK(read->tasks[i].published_us == doctest::Approx(timeline.tasks[i].published_us));
  }
  for (const char* wrong :
       {"", "{}", R"({"sms": 0, "span_us": 1, "tasks": []})",
        R"({"sms": 1, "span_us": 1, "tasks": [[1, 0, 0, 0, 0, 0]]})", R"({"sms": 1, "span_us": 1, "tasks": [[0, 0]]})"})
    CHECK(eval::timeline_from_json(wrong, "x").error().code == ErrorCode::kBadInput);
}
