#include "eval/program_report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "support/lowered.h"
#include "support/mini_program.h"

using namespace amk;

TEST_CASE("a task's level is the longest chain of counter edges before it") {
  test::MiniProgram mini;
  const BufferId a = mini.vector("a");
  const BufferId b = mini.vector("b");
  const BufferId c = mini.vector("c");
  const BufferId d = mini.vector("d");
  const TaskId first = mini.fill(0, a);
  const TaskId second = mini.add(1, a, a, b);
  const TaskId beside = mini.fill(2, c);
  const TaskId last = mini.add(0, b, c, d);
  mini.wait(second, {first});
  mini.wait(last, {second, beside});
  mini.refresh_pages();
  CHECK(eval::task_levels(mini.program) == std::vector<uint32_t>{0, 1, 0, 2});
}

TEST_CASE("levels do not depend on the order in which tasks are numbered") {
  test::MiniProgram mini;
  const BufferId a = mini.vector("a");
  const BufferId b = mini.vector("b");
  const BufferId c = mini.vector("c");
  const TaskId last = mini.add(2, b, b, c);
  const TaskId second = mini.add(1, a, a, b);
  const TaskId first = mini.fill(0, a);
  mini.wait(second, {first});
  mini.wait(last, {second});
  CHECK(eval::task_levels(mini.program) == std::vector<uint32_t>{2, 1, 0});
}

TEST_CASE("a summary counts every task, wait and byte once") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const abi::TargetInfo& target = **schedule::find_target("h100");
  for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, test::unfused()}) {
    const schedule::Program program = test::lower(model, "h100", config);
    const eval::ProgramSummary summary = eval::summarize(program, target, 10);
    uint64_t of_instructions = 0;
    uint64_t weights = 0;
    for (const eval::InstructionCount& count : summary.instructions) {
      of_instructions += count.tasks;
      weights += count.weight_bytes;
    }
    CHECK(of_instructions == program.tasks.size());
    CHECK(weights >= summary.prediction.weight_bytes);  // a norm read by many tasks counts once there
    CHECK(std::is_sorted(summary.instructions.begin(), summary.instructions.end(),
                         [](const auto& a, const auto& b) { return a.weight_bytes > b.weight_bytes; }));
    uint64_t of_levels = 0;
    uint64_t weights_of_levels = 0;
    for (const eval::Level& level : summary.levels) {
      of_levels += level.tasks;
      weights_of_levels += level.weight_bytes;
      CHECK(level.tasks > 0);
      CHECK(level.sms > 0);
      CHECK(level.sms <= std::min<uint64_t>(level.tasks, target.sms));
      CHECK_FALSE(level.example.empty());
    }
    CHECK(of_levels == program.tasks.size());
    CHECK(weights_of_levels == weights);
    CHECK(summary.levels.size() == summary.prediction.levels);
    CHECK(summary.counters == program.counters.size());
    CHECK(summary.sm_bytes_min <= summary.sm_bytes_max);
    // Keys and values, float32 or as stored: layers x heads x head_dim x context.
    CHECK(summary.kv_bytes % (2ULL * 2 * 2 * 16 * program.meta.context) == 0);
  }
}

TEST_CASE("the default schedule has six levels a layer, besides the embedding, the head and the two of argmax") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const eval::ProgramSummary summary = eval::summarize(test::lower(model), **schedule::find_target("h100"), 0);
  CHECK(summary.levels.size() == 1 + 6 * 2 + 3);
}

TEST_CASE("the report says correct only of what is, and calls a prediction one") {
  const test::LoweredModel model = test::open_model("toy");
  const schedule::Program program = test::lower(model);
  const eval::ProgramSummary summary = eval::summarize(program, **schedule::find_target("h100"), 0);
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  eval::Verdict verdict;
  verdict.model = "toy";
  verdict.gpu = "h100";
  const std::string rejected = eval::report_markdown(verdict, program, summary);
  CHECK(has(rejected, "# toy on h100"));
  CHECK(has(rejected, "not run: the program was not accepted"));
  CHECK(has(rejected, "none: there is no latency without correctness"));
  verdict.valid = true;
  verdict.outcome = validator::Outcome::kAccepted;
  verdict.compared_positions = 4;
  const std::string wrong = eval::report_markdown(verdict, program, summary);
  CHECK(has(wrong, "| NO: largest difference"));
  CHECK_FALSE(has(wrong, "| yes"));
  verdict.correct = true;
  verdict.latency_us = 12.0;
  verdict.floor_us = 6.0;
  verdict.latency_kind = eval::LatencyKind::kPredicted;
  const std::string good = eval::report_markdown(verdict, program, summary);
  CHECK(has(good, "| yes: largest difference"));
  CHECK(has(good, "12.0 us, predicted, not measured (floor 6.0 us, 50.0% of it reached)"));
  for (const eval::InstructionCount& count : summary.instructions) CHECK(has(good, ("| " + count.name + " |").c_str()));
}
