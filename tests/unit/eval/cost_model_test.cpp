#include "schedule/cost_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "support/lowered.h"
#include "support/mini_program.h"

using namespace amk;
using schedule::Prediction;

namespace {

const abi::TargetInfo& target(const char* name = "h100") { return **schedule::find_target(name); }

/// `length` tasks on alternating SMs, each waiting for the one before.
Prediction chain(uint32_t length) {
  test::MiniProgram mini;
  BufferId last = mini.vector("v0");
  TaskId before = mini.fill(0, last);
  for (uint32_t i = 1; i < length; ++i) {
    const BufferId next = mini.vector("v" + std::to_string(i));
    const TaskId task = mini.add(i % 2, last, last, next);
    mini.wait(task, {before});
    last = next;
    before = task;
  }
  mini.refresh_pages();
  return schedule::predict(mini.program, target(), 0);
}

}  // namespace

TEST_CASE("a longer chain costs more: an edge and a task for each link") {
  const schedule::CostConstants constants;
  for (uint32_t length = 1; length < 6; ++length) {
    CAPTURE(length);
    const Prediction shorter = chain(length);
    const Prediction longer = chain(length + 1);
    CHECK(shorter.levels == length);
    CHECK(shorter.critical.size() == length);
    CHECK(longer.latency_us - shorter.latency_us >= constants.edge_us + constants.task_us - 1e-9);
    CHECK(longer.latency_us - shorter.latency_us < constants.edge_us + constants.task_us + 0.5);
  }
}

TEST_CASE("the floor is never above the latency, and the parts of the critical path make it up, on every target") {
  for (const char* name : {"toy-2l", "models/shakespeare-llama-3m", "synthetic:smollm2-135m"}) {
    const test::LoweredModel model = test::open_model(name);
    for (const abi::TargetInfo& gpu : abi::kTargets) {
      for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, test::unfused()}) {
        const schedule::Program program = test::lower(model, gpu.name, config);
        const Prediction found = schedule::predict(program, gpu, program.meta.context - 1);
        CAPTURE(name);
        CAPTURE(gpu.name);
        CHECK(found.floor_us > 0);
        CHECK(found.floor_us <= found.latency_us);
        CHECK(found.wait_us >= 0);
        CHECK(found.stream_us >= 0);
        CHECK(found.wait_us + found.stream_us == doctest::Approx(found.latency_us));
        // SMs read more than there is: every fused task reads the norm's weights itself.
        const uint64_t read = std::accumulate(found.bytes_of_sm.begin(), found.bytes_of_sm.end(), uint64_t{0});
        CHECK(read >= found.weight_bytes + found.history_bytes);
        CHECK(static_cast<double>(read) < 1.2 * static_cast<double>(found.weight_bytes + found.history_bytes));
        CHECK(found.bytes_of_sm.size() == gpu.sms);
        CHECK_FALSE(found.critical.empty());
      }
    }
  }
}

TEST_CASE("more bytes cost more: later positions, larger models, slower memory") {
  const test::LoweredModel small = test::open_model("synthetic:smollm2-135m");
  const test::LoweredModel large = test::open_model("synthetic:tinyllama-1.1b");
  const schedule::Program program = test::lower(small);
  const Prediction first = schedule::predict(program, target(), 0);
  const Prediction last = schedule::predict(program, target(), program.meta.context - 1);
  CHECK(last.history_bytes > first.history_bytes);
  CHECK(last.weight_bytes == first.weight_bytes);
  CHECK(last.floor_us > first.floor_us);
  CHECK(last.latency_us > first.latency_us);
  CHECK(schedule::predict(test::lower(large), target(), 0).latency_us > first.latency_us);
  CHECK(schedule::predict(test::lower(large, "l4"), target("l4"), 0).latency_us >
        schedule::predict(test::lower(large), target(), 0).latency_us);
}

TEST_CASE("fewer levels wait less: the fused schedule is predicted faster than the unfused one") {
  const test::LoweredModel model = test::open_model("synthetic:smollm2-135m");
  const Prediction fused = schedule::predict(test::lower(model), target(), 0);
  const Prediction unfused = schedule::predict(test::lower(model, "h100", test::unfused()), target(), 0);
  CHECK(fused.levels < unfused.levels);
  CHECK(fused.latency_us < unfused.latency_us);
  // The floor is the model's, not the schedule's: every weight counts once.
  CHECK(fused.weight_bytes == unfused.weight_bytes);
  CHECK(fused.floor_us == unfused.floor_us);
  CHECK(model.checkpoint.weight_bytes() < fused.weight_bytes + 1);
  CHECK(fused.weight_bytes == model.checkpoint.weight_bytes());  // the head is tied to the embedding table
}

TEST_CASE("the playback of each task adds up to the prediction: an SM does one thing at a time, and the last ends it") {
  const test::LoweredModel model = test::open_model("toy-2l");
  const schedule::Program program = test::lower(model);
  const Prediction whole = schedule::predict(program, target(), 5);
  const std::vector<schedule::PlayedTask> tasks = schedule::play_out(program, target(), 5);
  CHECK(tasks.size() > program.tasks.size() / 2);
  double last = 0;
  std::vector<double> free(program.placement.queues.size(), schedule::CostConstants{}.launch_us);
  for (const schedule::PlayedTask& of : tasks) {
    CHECK(of.free_us == free[of.sm]);
    CHECK(of.ready_us >= of.free_us);
    CHECK(of.end_us >= of.ready_us + of.stream_us);
    free[of.sm] = of.end_us;
    last = std::max(last, of.end_us);
  }
  CHECK(last == whole.latency_us);
}
