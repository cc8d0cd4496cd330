// The machine behind a worker, without a GPU: the worker is tests/support/fake_worker.cpp.
#include "eval/gpu_machine.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include "eval/evaluate.h"
#include "eval/generate.h"
#include "eval/perplexity.h"
#include "schedule/cost_model.h"
#include "schedule/target.h"
#include "support/environment.h"
#include "support/lowered.h"

using namespace amk;
using namespace std::chrono_literals;

namespace {

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

std::shared_ptr<ipc::WorkerClient> fake_worker() {
  auto client = ipc::WorkerClient::start({{FAKE_WORKER_PROGRAM}});
  REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
  return std::make_shared<ipc::WorkerClient>(std::move(client).value());
}

/// A program, and the worker that goes wrong in the given way.
struct Bench {
  explicit Bench(const char* way, schedule::ScheduleConfig config = {}, uint32_t context = 64)
      : environment("AMK_FAKE", way),
        program(*validator::validate(test::lower(model, "h100", config, context)).validated) {}

  Result<std::unique_ptr<eval::Machine>> load(const eval::GpuOptions& options = {}) {
    return eval::load_gpu_machine(worker, program, model.checkpoint, options);
  }
  [[nodiscard]] eval::GenerateRequest generation(eval::Machine& machine) const {
    eval::GenerateRequest out;
    out.checkpoint = &model.checkpoint;
    out.program = &program;
    out.machine = &machine;
    out.prompt = {5, 9, 2, 77};
    out.max_tokens = 40;
    return out;
  }

  test::Environment environment;
  test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  validator::ValidatedProgram program;
  std::shared_ptr<ipc::WorkerClient> worker = fake_worker();
};

schedule::ScheduleConfig launches_of(uint32_t tokens) {
  schedule::ScheduleConfig config;
  config.tokens_per_launch = tokens;
  return config;
}

constexpr uint32_t kContext = 64;

eval::Verdict verdict_of(const char* way, const schedule::ScheduleConfig& config = {}, uint64_t history_bytes = 1 << 20,
                         std::chrono::milliseconds deadline = 2000ms) {
  const test::Environment environment("AMK_FAKE", way);
  const test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  eval::EvaluateRequest request;
  request.checkpoint = &model.checkpoint;
  request.target = *schedule::find_target("h100");
  request.config = config;
  request.context = kContext;
  request.positions = 6;
  request.history_bytes_max = history_bytes;
  eval::GpuOptions options;
  options.launch_deadline = deadline;
  request.machine = eval::gpu_machines(fake_worker(), options);
  const auto evaluation = eval::evaluate(request, pool());
  REQUIRE_MESSAGE(evaluation.ok(), (evaluation.ok() ? "" : evaluation.error().text()));
  return evaluation->verdict;
}

bool has_note(const eval::Verdict& verdict, const std::string& text) {
  return std::ranges::any_of(verdict.notes, [&](const std::string& note) { return note.find(text) != note.npos; });
}

size_t program_files() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    if (entry.path().filename().string().starts_with("amk-program.")) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a machine behind the worker does what the CPU does, bit by bit, and leaves no file") {
  Bench bench("");
  const size_t files = program_files();
  auto machine = std::move(bench.load()).value();
  CHECK(program_files() == files);
  auto here = eval::make_cpu_machine(bench.program, bench.model.checkpoint, pool()).value();
  CHECK(machine->device() == "Fake H100 80GB HBM3");
  CHECK(machine->is_gpu());
  CHECK(machine->vocab() == here->vocab());
  CHECK(machine->report().registers == 168);
  CHECK(machine->report().upload_seconds == 0.25);
  for (const uint32_t token : {5U, 9U, 2U}) {
    REQUIRE(machine->step(token).ok());
    REQUIRE(here->step(token).ok());
    CHECK(machine->next_token() == here->next_token());
    CHECK(machine->position() == here->position());
    CHECK(machine->logits().value() == here->logits().value());
  }
  CHECK(machine->decode(4, 7).value() == here->decode(4, 7).value());
  CHECK(machine->position() == 10);
  REQUIRE(machine->set_history(3, 40).ok());
  REQUIRE(here->set_history(3, 40).ok());
  CHECK(machine->position() == 40);
  REQUIRE(machine->step(1).ok());
  REQUIRE(here->step(1).ok());
  CHECK(machine->logits().value() == here->logits().value());
  REQUIRE(machine->reset().ok());
  CHECK(machine->position() == 0);

  // A refused request breaks nothing.
  CHECK(machine->step(1U << 30).error().code == ErrorCode::kUsage);
  CHECK(machine->set_history(3, kContext + 1).error().code == ErrorCode::kUsage);
  CHECK(machine->step(5).ok());
}

TEST_CASE("times and traces come as the worker measured them") {
  Bench bench("", launches_of(3));
  eval::GpuOptions options;
  options.trace = true;
  auto machine = std::move(bench.load(options)).value();
  const eval::Times times = machine->time({{0, 9}, 4, 2}).value();
  CHECK(times == eval::Times{{100, 101, 102, 103}, {109, 110, 111, 112}});
  CHECK(machine->time({{0}, 0, 2}).error().code == ErrorCode::kUsage);
  REQUIRE(machine->decode(1, 3).ok());
  const eval::Trace trace = machine->trace().value();
  CHECK(trace.tasks.size() == bench.program->tasks.size());
  CHECK(trace.queue_begin == std::vector<uint32_t>{0, static_cast<uint32_t>(trace.tasks.size())});
  REQUIRE(trace.records.size() == 3 * trace.tasks.size());
  CHECK(trace.records[2].published == 6);
  machine = nullptr;
  CHECK(std::move(bench.load()).value()->trace().error().code == ErrorCode::kUsage);
}

TEST_CASE("a program that is loaded later takes the place of the one before, which says so") {
  Bench bench("");
  auto first = std::move(bench.load()).value();
  auto second = std::move(bench.load()).value();
  CHECK(second->step(1).ok());
  const Status status = first->step(1);
  REQUIRE(!status.ok());
  CHECK(status.error().code == ErrorCode::kUsage);
  first = nullptr;  // must not unload the second
  CHECK(second->step(1).ok());
}

TEST_CASE("a load that is refused is the worker's error, and the worker lives") {
  Bench bench("too-small");
  CHECK(bench.load().error().code == ErrorCode::kIo);
  CHECK(bench.worker->generation() == 1);
}

TEST_CASE("the real worker takes no sabotage unless it was started for tests") {
  Bench bench("");
  auto client = ipc::WorkerClient::start({{AMK_WORKER_PROGRAM}});
  REQUIRE(client.ok());
  bench.worker = std::make_shared<ipc::WorkerClient>(std::move(client).value());
  eval::GpuOptions options;
  options.sabotage = {{"silent_task", 3}};
  CHECK(bench.load(options).error().code == ErrorCode::kUsage);
  // Where there is no GPU it says so; the program was read and validated before.
  if (const auto loaded = bench.load(); !loaded) CHECK(loaded.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("generation on a machine behind the worker writes what the CPU writes, several tokens at a time or one") {
  for (const uint32_t tokens : {1U, 7U}) {
    Bench bench("", launches_of(tokens));
    auto machine = std::move(bench.load()).value();
    eval::GenerateRequest request = bench.generation(*machine);
    auto here = eval::make_cpu_machine(bench.program, bench.model.checkpoint, pool()).value();
    for (const uint32_t wanted : {0U, 1U, 2U, 17U, 40U, 100U}) {
      CAPTURE(wanted);
      request.max_tokens = wanted;
      request.machine = machine.get();
      REQUIRE(machine->reset().ok());
      const auto there = eval::generate(request, pool()).value();
      request.machine = here.get();
      REQUIRE(here->reset().ok());
      const auto expected = eval::generate(request, pool()).value();
      CHECK(there.tokens == expected.tokens);
      CHECK(there.stop_reason == expected.stop_reason);
      if (wanted != 40) continue;
      request.stop_ids = {expected.tokens[21]};
      request.machine = machine.get();
      REQUIRE(machine->reset().ok());
      const auto stopped = eval::generate(request, pool()).value();
      request.machine = here.get();
      REQUIRE(here->reset().ok());
      CHECK(stopped.tokens == eval::generate(request, pool())->tokens);
      CHECK(stopped.stop_reason == eval::StopReason::kStopToken);
      request.stop_ids.clear();
    }
  }
}

TEST_CASE("verified generation on a machine behind the worker finds what is wrong with its logits") {
  for (const char* way : {"", "wrong:6", "nan:6"}) {
    CAPTURE(way);
    Bench bench(way);
    auto machine = std::move(bench.load()).value();
    eval::GenerateRequest request = bench.generation(*machine);
    request.max_tokens = 6;
    request.verify = true;
    const auto generation = eval::generate(request, pool()).value();
    CHECK(generation.agreement->agrees() == (*way == 0));
  }
}

TEST_CASE(
    "a fault in the middle of a generation is an error with the wait that did not end; tokens before it are kept") {
  Bench bench("fault:10");
  auto machine = std::move(bench.load()).value();
  eval::GenerateRequest request = bench.generation(*machine);
  request.sampling.temperature = 0.5;  // a pass at a time
  std::vector<uint32_t> streamed;
  request.on_token = [&](uint32_t token) { streamed.push_back(token); };
  const auto generation = eval::generate(request, pool());
  REQUIRE(!generation.ok());
  CHECK(generation.error().code == ErrorCode::kInternal);
  CHECK(streamed.size() == 6);  // 4 passes of the prompt, 5 more, the tenth failed
  REQUIRE(machine->fault().has_value());
  CHECK(machine->fault()->task == 7);
  CHECK(machine->fault()->label == "gate_up.0");
  CHECK(machine->fault()->threshold == 42);
  // The device's context is gone: every later call says the same, without asking.
  CHECK(machine->step(1).error().text() == generation.error().text());
}

TEST_CASE("a crash, a hang or a fault costs one machine; the same client serves another") {
  for (const char* way : {"crash:6", "hang:6", "fault:6"}) {
    CAPTURE(way);
    Bench bench(way);
    eval::GpuOptions options;
    options.launch_deadline = 200ms;
    auto machine = std::move(bench.load(options)).value();
    const auto begin = std::chrono::steady_clock::now();
    const auto generation = eval::generate(bench.generation(*machine), pool());
    REQUIRE(!generation.ok());
    CHECK(generation.error().code == ErrorCode::kInternal);
    CHECK(std::chrono::steady_clock::now() - begin < 15s);
    CHECK(!machine->step(1).ok());
    const test::Environment mended("AMK_FAKE", "");
    auto next = bench.load();
    REQUIRE_MESSAGE(next.ok(), (next.ok() ? "" : next.error().text()));
    CHECK(!machine->step(1).ok());  // what it had loaded is gone with its worker
    CHECK((*next)->step(1).ok());
    CHECK(bench.worker->generation() == 2);
  }
}

TEST_CASE("a verdict on a GPU is measured, and has compared the first positions, the middle and the end") {
  const eval::Verdict verdict = verdict_of("");
  CHECK(verdict.valid);
  CHECK(verdict.correct);
  CHECK(verdict.repeatable);
  CHECK(verdict.compared_positions == 6 + 2);
  CHECK(verdict.device == "Fake H100 80GB HBM3");
  CHECK(verdict.latency_kind == eval::LatencyKind::kMeasuredGpu);
  CHECK(verdict.latency_us == doctest::Approx(124.5));  // the median of 100 ... 149
  CHECK(has_note(verdict, "measured on Fake H100"));
  CHECK(verdict_of("slow").latency_us == doctest::Approx(12450));
  CHECK(verdict_of("", launches_of(5)).compared_positions == 6 + 2 + 1);
}

TEST_CASE("a verdict on a GPU says how far it could compare where the oracle's history would be too large") {
  const eval::Verdict verdict = verdict_of("", {}, 20'000);
  CHECK(verdict.correct);
  CHECK(has_note(verdict, "compared up to position"));
}

TEST_CASE("whatever is wrong on the GPU, the verdict is not correct and has no latency") {
  struct Case {
    const char* way;
    const char* note;
    uint32_t tokens_per_launch;
  };
  for (const Case& c :
       {Case{"nan:3", "found a difference of nan", 1}, Case{"wrong:1", "found a difference", 1},
        Case{"wrong:20", "found", 4}, Case{"flicker", "different bits", 1}, Case{"late", "after a drawn history", 1},
        Case{"long", "launch of 4 passes", 4}, Case{"fault:9", "the run failed", 1},
        Case{"crash:9", "the run failed", 1}, Case{"hang:9", "the run failed", 1}}) {
    CAPTURE(c.way);
    const eval::Verdict verdict = verdict_of(c.way, launches_of(c.tokens_per_launch), 1 << 20, 200ms);
    CHECK(verdict.valid);
    CHECK_FALSE(verdict.correct);
    CHECK_FALSE(verdict.latency_us.has_value());
    CHECK(has_note(verdict, c.note));
    CHECK(verdict.fault.has_value() == (std::string(c.way) == "fault:9"));
    CHECK(verdict.run_failed == (std::string(c.way).ends_with(":9")));
  }
}

TEST_CASE("perplexity by a machine behind the worker is the oracle's, or says that it is not") {
  for (const char* way : {"", "wrong:1"}) {
    CAPTURE(way);
    Bench bench(way);
    auto machine = std::move(bench.load()).value();
    const std::vector<uint32_t> ids = {3, 9, 3, 1, 3, 5};  // token 3 is the one that goes wrong
    const auto found =
        eval::compare_perplexity(*machine, bench.program, bench.model.checkpoint, ids, 1e-4, pool()).value();
    CHECK(found.tokens == 6);
    CHECK(found.agrees == (*way == 0));
  }
}

TEST_CASE("two programs in one worker are timed in turns, and each is the one that was loaded") {
  schedule::ScheduleConfig slow;
  slow.fusion_grouping.erase(slow.fusion_grouping.begin());
  Bench bench("modelled");
  eval::GpuOptions beside;
  beside.beside_others = true;
  const auto ours = bench.load(beside);
  const validator::ValidatedProgram other = *validator::validate(test::lower(bench.model, "h100", slow, 64)).validated;
  const auto theirs = eval::load_gpu_machine(bench.worker, other, bench.model.checkpoint, beside);
  REQUIRE(ours.ok());
  REQUIRE(theirs.ok());
  const auto times = (*ours)->time_against(**theirs, {3, 10});
  REQUIRE_MESSAGE(times.ok(), (times.ok() ? "" : times.error().text()));
  REQUIRE(times->ours.size() == 20);
  REQUIRE(times->theirs.size() == 20);
  const auto target = *schedule::find_target("h100");
  const double first = schedule::predict(bench.program.program(), *target, 0).latency_us;
  const double second = schedule::predict(other.program(), *target, 0).latency_us;
  REQUIRE(std::abs(first / second - 1) > 0.01);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(times->ours[i] == doctest::Approx(first).epsilon(0.005));
    CHECK(times->theirs[i] == doctest::Approx(second).epsilon(0.005));
  }
  CHECK((*ours)->step(5).ok());  // both are still there
  CHECK((*theirs)->step(5).ok());
}

TEST_CASE("a program that took another's place is not timed against it") {
  Bench bench("modelled");
  const auto first = bench.load();
  const auto second = bench.load();
  const auto times = (*second)->time_against(**first, {0, 10});
  REQUIRE_FALSE(times.ok());
  CHECK(times.error().code == ErrorCode::kUsage);
  ThreadPool& threads = pool();
  const auto on_cpu = eval::make_cpu_machine(bench.program, bench.model.checkpoint, threads);
  CHECK((*second)->time_against(**on_cpu, {0, 10}).error().code == ErrorCode::kUsage);
  CHECK((*on_cpu)->time_against(**on_cpu, {0, 10}).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("the bandwidth is the worker's, and programs stay loaded") {
  Bench bench("");
  const auto machine = bench.load();
  const auto bandwidth = eval::measure_bandwidth(*bench.worker, 0);
  REQUIRE(bandwidth.ok());
  CHECK(*bandwidth == 3e12);
  CHECK((*machine)->step(5).ok());
}
