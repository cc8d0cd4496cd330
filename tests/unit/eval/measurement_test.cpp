// Measurements asked of a worker, without a GPU: the worker is tests/support/fake_worker.cpp.
#include "eval/measurement.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "eval/benchmark.h"
#include "eval/measurement_json.h"
#include "eval/trace_run.h"
#include "support/environment.h"
#include "support/lowered.h"

using namespace amk;
using namespace std::chrono_literals;

namespace {

/// A program, and the worker that goes wrong in the given way.
struct Asked {
  explicit Asked(const char* way)
      : environment("AMK_FAKE", way),
        program(*validator::validate(test::lower(model, "h100", {}, 64)).validated),
        worker(ipc::WorkerClient::start({{FAKE_WORKER_PROGRAM}}).value()) {
    measurer.worker = &worker;
    measurer.patience.round = 2000ms;
    measurer.progress = [this](std::string_view step, uint32_t done, uint32_t of) {
      steps.push_back(std::string(step) + " " + std::to_string(done) + "/" + std::to_string(of));
    };
  }
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

  Result<eval::BenchReport> bench() {
    eval::BenchRequest request;
    request.positions = {0, 9};
    request.rounds = 4;
    return eval::run_benchmark(request, program, model.checkpoint, measurer);
  }
  Result<eval::TraceRun> trace() { return eval::run_trace({3, 4, 2, 1}, program, model.checkpoint, measurer); }
  /// The error of each, asked of a worker of its own.
  std::vector<Error> failures() {
    const Error first = bench().error();
    worker.stop();
    return {first, trace().error()};
  }

  test::Environment environment;
  test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  validator::ValidatedProgram program;
  ipc::WorkerClient worker;
  eval::Measurer measurer;
  std::vector<std::string> steps;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// JSON as it is after a frame.
ipc::Json sent(const ipc::Json& json) { return ipc::Json::parse(json.dump()); }

}  // namespace

TEST_CASE("a benchmark is what the worker sampled, and what follows from it here") {
  Asked asked("");
  const eval::BenchReport report = asked.bench().value();
  CHECK(report.correct());
  CHECK(report.model == "llama-gqa-tied");
  CHECK(report.target == "h100");
  CHECK(report.schedule_id == asked.program->meta.schedule_id);
  CHECK(report.weights == "f32");
  CHECK(report.kv_dtype == "f32");
  CHECK(report.context == 64);
  CHECK(report.device == "Fake H100 80GB HBM3");
  CHECK(report.cublas == "13.1");
  CHECK(report.rival_agreement->tolerance == 0.5);
  CHECK(report.notes == std::vector<std::string>{"a note of the worker"});
  REQUIRE(report.positions.size() == 2);
  CHECK(report.positions[1].position == 9);
  const eval::ContenderTimes& ours = report.positions[1].contenders[0];
  CHECK(ours.samples_us == std::vector<double>{109, 110, 111, 112});
  CHECK(ours.latency_us.median == 110.5);
  CHECK(ours.floor_us == doctest::Approx(1.0));
  CHECK(report.positions[0].contenders[1].ratio->value == doctest::Approx(2.0).epsilon(0.02));
  CHECK(asked.steps.front() == "building the kernel, uploading weights 0/0");
  CHECK(asked.steps.back() == "measuring at position 9 4/4");
  CHECK(asked.worker.generation() == 1);
}

TEST_CASE("a trace is what the worker recorded, to the last bit") {
  Asked asked("");
  const eval::TraceRun run = asked.trace().value();
  CHECK(run.correct());
  CHECK(run.device == "Fake H100 80GB HBM3");
  CHECK(run.spans_us == std::vector<double>{40, 41, 42, 43});
  CHECK(run.floor_us == 12.5);
  REQUIRE(run.records.size() == asked.program->tasks.size());
  const auto timeline = eval::timeline_of({&asked.program.program(), run.records, run.tasks, run.queue_begin});
  REQUIRE(timeline.ok());
  CHECK(timeline->span_us > 0);
  CHECK(asked.steps.back() == "tracing 4/4");
}

TEST_CASE("what is found to be wrong is no error, and has neither times nor records") {
  Asked asked("incorrect");
  const eval::BenchReport report = asked.bench().value();
  CHECK_FALSE(report.correct());
  CHECK(report.positions.empty());
  const eval::TraceRun run = asked.trace().value();
  CHECK_FALSE(run.correct());
  CHECK(run.records.empty());
}

TEST_CASE("a worker that dies in the middle of a measurement is an error that says so, and the next one is fine") {
  Asked asked("crash:3");
  for (const Error& error : asked.failures()) {
    CHECK(error.code == ErrorCode::kInternal);
    CHECK(has(error.message, "the worker ended with exit code 9 during request"));
  }
  const test::Environment well("AMK_FAKE", "");
  CHECK(asked.bench().ok());
}

TEST_CASE("a worker that is silent for longer than its stage may be is killed, and the next one is fine") {
  Asked asked("hang:3");
  const auto started = std::chrono::steady_clock::now();
  for (const Error& error : asked.failures()) {
    CHECK(error.code == ErrorCode::kInternal);
    CHECK(has(error.message, "was not heard of again within 2 s: its worker was killed"));
  }
  CHECK(std::chrono::steady_clock::now() - started < 20s);
  CHECK(asked.worker.pid() == 0);
  const test::Environment well("AMK_FAKE", "");
  CHECK(asked.trace().ok());
}

TEST_CASE("an answer, or progress, that does not fit the request is an error, and the worker is ended") {
  for (const char* way : {"nonsense", "short", "off-stage"}) {
    CAPTURE(way);
    Asked asked(way);
    for (const Error& error : asked.failures()) {
      CHECK(error.code == ErrorCode::kInternal);
      CHECK(has(error.message, "expected"));
    }
    CHECK(asked.worker.pid() == 0);
  }
}

TEST_CASE("the worker's own errors arrive as it made them; a fault ends it, since its device is lost") {
  Asked faulty("fault:2");
  const Error fault = faulty.bench().error();
  CHECK(fault.code == ErrorCode::kInternal);
  CHECK(fault.message == "the launch passed its deadline: task 7 'gate_up.0' on SM 11");
  CHECK(fault.location == "Fake H100 80GB HBM3");
  CHECK(faulty.worker.pid() == 0);

  // The real worker validates what it is asked for before it looks for a GPU.
  Asked asked("");
  asked.worker = ipc::WorkerClient::start({{AMK_WORKER_PROGRAM}}).value();
  eval::BenchRequest beyond;
  beyond.positions = {64};
  const Error refused = eval::run_benchmark(beyond, asked.program, asked.model.checkpoint, asked.measurer).error();
  CHECK(refused.code == ErrorCode::kUsage);
  CHECK(has(refused.message, "expected positions below the context, 64, found 64"));
  CHECK(has(refused.hint, "--context"));
  CHECK(asked.worker.pid() != 0);
  const auto request = eval::TraceRequest{64, 1, 1, 1};
  CHECK(eval::run_trace(request, asked.program, asked.model.checkpoint, asked.measurer).error().code ==
        ErrorCode::kUsage);
}

TEST_CASE("requests and answers come through JSON as they were, what is no number as NaN") {
  const eval::BenchRequest request{{3, 5}, 7, 2, 4, UINT64_MAX, false};
  const eval::BenchRequest read = eval::bench_request_from(sent(to_json(request)));
  CHECK(read.positions == request.positions);
  CHECK(read.rounds == 7);
  CHECK(read.warm_ups == 2);
  CHECK(read.checked == 4);
  CHECK(read.seed == UINT64_MAX);
  CHECK_FALSE(read.rivals);

  eval::BenchReport wrong;
  wrong.agreement = {2, NAN, 1e-3, 0};
  wrong.repeatable = true;
  eval::BenchReport arrived;
  eval::read_measured(sent(to_json(wrong)), arrived);
  CHECK(std::isnan(arrived.agreement.max_abs_err));
  CHECK_FALSE(arrived.correct());
  CHECK_FALSE(arrived.rival_agreement.has_value());

  for (const eval::Stage stage :
       {eval::Stage::kLoad, eval::Stage::kOracle, eval::Stage::kRival, eval::Stage::kBandwidth, eval::Stage::kHistory,
        eval::Stage::kRounds, eval::Stage::kTracing}) {
    const auto at = eval::stage_progress_from(sent(to_json(eval::StageProgress{stage, 1, 2, 3})));
    REQUIRE(at.has_value());
    CHECK(at->stage == stage);
    CHECK(at->of == 3);
  }
  CHECK_FALSE(eval::stage_progress_from({{"stage", "rounds"}}).has_value());
  CHECK_FALSE(eval::stage_progress_from(5).has_value());
}
