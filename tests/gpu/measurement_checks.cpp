// Benchmark and trace as the worker makes them on a GPU. Run by ./dev test-gpu; without a GPU it says SKIPPED.
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "eval/benchmark.h"
#include "eval/gpu_machine.h"
#include "eval/trace_run.h"
#include "support/lowered.h"
#include "support/skipped.h"
#include "vm/cuda/driver.h"

using namespace amk;

namespace {

/// The name of this machine's target; nothing where there is no GPU of one, and then the test case has been skipped.
std::optional<std::string> target_or_skip(const char* test_case) {
  const Result<vm::cuda::Device> device = vm::cuda::Device::open();
  if (!device) {
    test::skip(test_case, device.error().text());
    return std::nullopt;
  }
  for (const abi::TargetInfo& target : abi::kTargets) {
    if (target.sm == device->info().sm && target.sms == device->info().sms) return target.name;
  }
  test::skip(test_case, device->info().name + " is none of the targets");
  return std::nullopt;
}

std::shared_ptr<ipc::WorkerClient> start_worker() {
  const char* named = std::getenv("AMK_WORKER");
  auto client = ipc::WorkerClient::start({{named == nullptr ? AMK_WORKER_PROGRAM : named}});
  REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
  return std::make_shared<ipc::WorkerClient>(std::move(client).value());
}

}  // namespace

TEST_CASE("bench and trace by a worker are correct, fit their requests, and leave a device that works") {
  const std::optional<std::string> target = target_or_skip("bench and trace by a worker");
  if (!target) return;
  const auto worker = start_worker();
  eval::Measurer measurer;
  measurer.worker = worker.get();
  for (const char* name : {"toy", "models/shakespeare-llama-3m"}) {
    CAPTURE(name);
    const test::LoweredModel model = test::open_model(name);
    const validator::ValidatedProgram program = *validator::validate(test::lower(model, *target)).validated;
    auto before = eval::load_gpu_machine(worker, program, model.checkpoint);
    REQUIRE_MESSAGE(before.ok(), (before.ok() ? "" : before.error().text()));

    eval::BenchRequest request;
    request.positions = {0, program->meta.context - 1};
    request.rounds = 5;
    const auto report = eval::run_benchmark(request, program, model.checkpoint, measurer);
    REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
    for (const std::string& note : report->notes) MESSAGE(note);
    CHECK(report->correct());
    CHECK(report->positions.size() == 2);
    CHECK((*before)->step(1).error().code == ErrorCode::kUsage);  // its program made room for the benchmark

    const auto run = eval::run_trace({0, 5, 2, 1}, program, model.checkpoint, measurer);
    REQUIRE_MESSAGE(run.ok(), (run.ok() ? "" : run.error().text()));
    CHECK(run->correct());
    CHECK(eval::timeline_of({&program.program(), run->records, run->tasks, run->queue_begin}).ok());

    auto after = eval::load_gpu_machine(worker, program, model.checkpoint);
    REQUIRE_MESSAGE(after.ok(), (after.ok() ? "" : after.error().text()));
    CHECK((*after)->step(1).ok());
  }
  CHECK(worker->generation() == 1);
}
