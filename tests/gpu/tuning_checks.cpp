// The build knobs of instructions on a GPU: every value against the oracle, and each instruction alone against the
// reference VM. Run by ./dev test-gpu; without a GPU it says SKIPPED. A kernel is compiled for each combination.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "abi/build_knob.h"
#include "eval/evaluate.h"
#include "eval/gpu_machine.h"
#include "eval/tolerance.h"
#include "schedule/isolate.h"
#include "schedule/schedule_config_json.h"
#include "schedule/target.h"
#include "support/skipped.h"
#include "vm/cuda/driver.h"

using namespace amk;

namespace {

constexpr const char* kShippedModel = "models/shakespeare-llama-3m";

ThreadPool& pool() {
  static ThreadPool threads;
  return threads;
}

/// The target that this machine's GPU is; null where there is none of one, and then the test case has been skipped.
const abi::TargetInfo* target_or_skip(const char* test_case) {
  const Result<vm::cuda::Device> device = vm::cuda::Device::open();
  if (!device) return test::skip(test_case, device.error().text()), nullptr;
  for (const abi::TargetInfo& target : abi::kTargets) {
    if (target.sm == device->info().sm && target.sms == device->info().sms) return &target;
  }
  return test::skip(test_case, device->info().name + " is none of the targets"), nullptr;
}

std::shared_ptr<ipc::WorkerClient> start_worker() {
  const char* named = std::getenv("AMK_WORKER");
  auto started = ipc::WorkerClient::start({{named == nullptr ? AMK_WORKER_PROGRAM : named}});
  REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().text()));
  return std::make_shared<ipc::WorkerClient>(std::move(started).value());
}

model::Checkpoint open(const std::string& source, const std::string& weights) {
  model::OpenOptions options;
  options.weights = model::parse_weight_format(weights).value();
  return model::Checkpoint::open(source, options).value();
}

/// The i-th value of every knob, going round where a knob has fewer.
schedule::ScheduleConfig values_of_round(uint32_t i) {
  schedule::ScheduleConfig config;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) {
    const uint32_t count = (knob.max - knob.min) / knob.step + 1;
    const uint32_t value = knob.min + i % count * knob.step;
    REQUIRE(schedule::set_knob(config, knob.path, std::to_string(value)).ok());
  }
  return config;
}

uint32_t rounds() {
  uint32_t most = 0;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) most = std::max(most, (knob.max - knob.min) / knob.step + 1);
  return most;
}

validator::ValidatedProgram accepted(schedule::Program program) {
  const validator::Validation validation = validator::validate(std::move(program));
  REQUIRE(validation.validated.has_value());
  return *validation.validated;
}

std::vector<std::vector<float>> values_on(eval::Machine& machine, const std::vector<BufferId>& buffers,
                                          uint32_t position) {
  REQUIRE(machine.reset().ok());
  if (position > 0) REQUIRE(machine.set_history(3, position).ok());
  const Status stepped = machine.step(1);
  REQUIRE_MESSAGE(stepped.ok(), (stepped.ok() ? "" : stepped.error().text()));
  std::vector<std::vector<float>> out;
  for (const BufferId buffer : buffers) out.push_back(machine.values(buffer).value());
  return out;
}

/// What the kept tasks write and no other task of theirs reads.
std::vector<BufferId> final_results(const schedule::Isolated& part) {
  std::vector<BufferId> out = part.results;
  for (const schedule::Task& task : part.program.tasks) {
    for (uint32_t i = 0; i < task.operands.size(); ++i) {
      if (abi::operand(task.opcode, i).access == abi::Access::kRead && task.opcode == abi::Opcode::kAttentionCombine)
        std::erase(out, task.operands[i]);
    }
  }
  return out;
}

/// One instruction alone, built as the whole megakernel is: its results on the GPU are the reference VM's.
void check_alone(const std::shared_ptr<ipc::WorkerClient>& worker, const model::Checkpoint& checkpoint,
                 const schedule::LowerRequest& request, const std::string& folder) {
  CAPTURE(folder);
  schedule::Program whole = schedule::lower(request).value();
  uint32_t opcodes = 0;
  for (const abi::OpcodeInfo& row : abi::kOpcodes) {
    if (folder == row.folder) opcodes |= 1U << static_cast<uint32_t>(row.opcode);
  }
  const schedule::Isolated part = schedule::isolate(request, whole, opcodes).value();
  const validator::ValidatedProgram program = accepted(part.program);
  eval::GpuOptions loading;
  loading.whole = accepted(std::move(whole));
  auto loaded = eval::load_gpu_machine(worker, program, checkpoint, loading);
  REQUIRE_MESSAGE(loaded.ok(), (loaded.ok() ? "" : loaded.error().text()));
  auto reference = eval::make_cpu_machine(program, checkpoint, pool(), true).value();
  const std::vector<BufferId> buffers = final_results(part);
  REQUIRE_FALSE(buffers.empty());
  for (const uint32_t position : {0U, request.context - 1}) {
    CAPTURE(position);
    const auto expected = values_on(*reference, buffers, position);
    const auto found = values_on(**loaded, buffers, position);
    CHECK(found == values_on(**loaded, buffers, position));
    double worst = 0;
    for (size_t b = 0; b < buffers.size(); ++b) {
      double largest = 0, difference = 0;
      for (size_t i = 0; i < expected[b].size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(expected[b][i])));
        const double apart = std::abs(static_cast<double>(expected[b][i]) - found[b][i]);
        difference = std::isfinite(apart) ? std::max(difference, apart) : HUGE_VAL;
      }
      worst = std::max(worst, difference / eval::logit_tolerance(checkpoint.config(), largest, request.kv_dtype,
                                                                 eval::input_rounding(part.program)));
    }
    CHECK(worst <= 1);
    std::printf("%s alone at %u: %.3f of the tolerance, %zu results\n", folder.c_str(), position, worst,
                buffers.size());
    std::fflush(stdout);
  }
}

}  // namespace

TEST_CASE("on a GPU every value of every build knob gives the oracle's logits") {
  const abi::TargetInfo* target = target_or_skip("build knobs");
  if (target == nullptr) return;
  const auto worker = start_worker();
  for (const auto& [source, weights] :
       {std::pair{"toy", "stored"}, {"tests/models/llama-bf16-sharded", "stored"}, {kShippedModel, "int8"}}) {
    const model::Checkpoint checkpoint = open(source, weights);
    const auto memory = std::make_shared<eval::OracleMemory>();
    for (uint32_t i = 0; i < rounds(); ++i) {
      CAPTURE(source);
      CAPTURE(i);
      eval::EvaluateRequest request;
      request.checkpoint = &checkpoint;
      request.target = target;
      request.config = values_of_round(i);
      request.positions = 12;
      request.oracle_memory = memory;
      request.machine = eval::gpu_machines(worker);
      const auto evaluation = eval::evaluate(request, pool());
      REQUIRE_MESSAGE(evaluation.ok(), (evaluation.ok() ? "" : evaluation.error().text()));
      const eval::Verdict& verdict = evaluation->verdict;
      CHECK(verdict.correct);
      CHECK(verdict.repeatable);
      const eval::LoadReport& report = evaluation->machine->report();
      std::printf("%s %s, values %u: error %.2e of %.2e, %u registers, %u bytes of local memory\n", source, weights, i,
                  verdict.max_abs_err, verdict.tolerance, report.registers, report.local_bytes);
      std::fflush(stdout);
    }
  }
}

TEST_CASE(
    "on a GPU each instruction with build knobs, alone in the megakernel's build, gives the reference VM's results") {
  const abi::TargetInfo* target = target_or_skip("instructions alone");
  if (target == nullptr) return;
  const auto worker = start_worker();
  std::set<std::string> folders;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs) folders.insert(knob.folder);
  for (const auto& [source, weights] :
       {std::pair{kShippedModel, "stored"}, {kShippedModel, "int8"}, {"toy-2l", "stored"}}) {
    CAPTURE(source);
    CAPTURE(weights);
    const model::Checkpoint checkpoint = open(source, weights);
    const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
    const schedule::LowerRequest request{
        &graph, target, {}, std::min(200U, graph.config.context_max), abi::Dtype::kBf16};
    for (const std::string& folder : folders) check_alone(worker, checkpoint, request, folder);
  }
}
