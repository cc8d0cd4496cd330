#include "schedule/isolate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "search/tune.h"
#include "support/lowered.h"
#include "vm/cuda/kernel_build.h"
#include "vm/reference/reference_vm.h"

namespace {

using namespace amk;
using schedule::Program;

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

validator::ValidatedProgram accepted(Program program) {
  const validator::Validation validation = validator::validate(std::move(program));
  for (const validator::Finding& finding : validation.findings)
    MESSAGE(validator::describe(finding, *validation.program));
  REQUIRE(validation.validated.has_value());
  return *validation.validated;
}

schedule::LowerRequest request_of(const test::LoweredModel& model, const schedule::ScheduleConfig& config) {
  return {&model.graph, *schedule::find_target("h100"), config, 64};
}

bool has(const Program& program, uint32_t opcodes) {
  return std::any_of(program.tasks.begin(), program.tasks.end(), [&](const schedule::Task& task) {
    return ((opcodes >> static_cast<uint32_t>(task.opcode)) & 1U) != 0;
  });
}

/// Finite values of everything that the kept tasks write, at position 0 and behind a history.
void check_runs(const schedule::Isolated& isolated, const validator::ValidatedProgram& program,
                const model::Checkpoint& checkpoint) {
  vm::ReferenceVm machine = vm::ReferenceVm::create(program, checkpoint, pool(), true).value();
  machine.set_poison(true);
  REQUIRE_FALSE(isolated.results.empty());
  for (const uint32_t position : {0U, 40U}) {
    REQUIRE(
        machine
            .set_history([](uint32_t, bool, uint64_t element) { return static_cast<float>(element % 7) / 7; }, position)
            .ok());
    REQUIRE(machine.step(1).ok());
    for (const BufferId id : isolated.results) {
      const schedule::Buffer& buffer = isolated.program.buffer(id);
      if (buffer.shape.dtype == abi::Dtype::kU32) continue;
      if (buffer.name.ends_with(".partials"))
        continue;  // the last split's are nobody's where its task joins the others
      CAPTURE(buffer.name);
      const std::vector<float> values = machine.values(id).value();
      CHECK(std::none_of(values.begin(), values.end(), [](float value) { return std::isnan(value); }));
    }
  }
}

}  // namespace

TEST_CASE("every instruction, alone, is a program that the validator accepts and the reference VM runs") {
  for (const char* name : {"toy", "tests/models/llama-gqa-tied", "tests/models/llama-head-dim",
                           "tests/models/llama-odd-sizes", "tests/models/llama-mha"}) {
    const test::LoweredModel model = test::open_model(name);
    for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig(), test::unfused()}) {
      const schedule::LowerRequest request = request_of(model, config);
      const Program whole = schedule::lower(request).value();
      const uint32_t needed = vm::cuda::kernel_spec(whole)->opcodes;
      for (uint32_t code = 0; code < abi::kOpcodeCount; ++code) {
        const uint32_t kept = 1U << code;
        const auto opcode = static_cast<abi::Opcode>(code);
        if (!has(whole, kept)) continue;
        CAPTURE(name);
        CAPTURE(abi::info(opcode).name);
        const auto isolated = schedule::isolate(request, whole, kept);
        REQUIRE(isolated.ok());
        CHECK(isolated->kept ==
              static_cast<uint32_t>(std::count_if(whole.tasks.begin(), whole.tasks.end(),
                                                  [&](const schedule::Task& task) { return task.opcode == opcode; })));
        CHECK(isolated->program.tasks.size() < whole.tasks.size());
        CHECK(isolated->program.launch == whole.launch);
        CHECK((vm::cuda::kernel_spec(isolated->program)->opcodes & ~needed) == 0);
        const validator::ValidatedProgram program = accepted(isolated->program);
        check_runs(*isolated, program, model.checkpoint);
      }
    }
  }
}

TEST_CASE(
    "every instruction with build knobs, alone and with the others of its folder, runs after its levels in order") {
  const test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  const schedule::LowerRequest request = request_of(model, {});
  const Program whole = schedule::lower(request).value();
  const uint32_t layers = model.graph.config.layer_count;
  for (const search::Instruction& instruction : search::tunable_instructions()) {
    CAPTURE(instruction.folder);
    const auto isolated = schedule::isolate(request, whole, instruction.opcodes);
    REQUIRE(isolated.ok());
    // o, down and the head; or one a layer.
    CHECK(isolated->levels == (instruction.folder == "gemv" ? 2 * layers + 1 : layers));
    const validator::ValidatedProgram program = accepted(isolated->program);
    check_runs(*isolated, program, model.checkpoint);
    // No task of a level may begin before the level before is over: every kept task but those of the first level waits.
    uint32_t without_waits = 0;
    for (const schedule::Task& task : isolated->program.tasks) {
      const bool kept = ((instruction.opcodes >> static_cast<uint32_t>(task.opcode)) & 1U) != 0;
      if (kept && task.waits.empty()) ++without_waits;
    }
    CHECK(without_waits == 0);
  }
}

TEST_CASE("alone, the first layer's instruction computes what it does in the whole program, bit for bit") {
  const test::LoweredModel model = test::open_model("tests/models/llama-gqa-tied");
  schedule::ScheduleConfig config;
  config.page_allocation = abi::PageAllocation::kNone;
  const schedule::LowerRequest request = request_of(model, config);
  const Program whole = schedule::lower(request).value();
  const auto isolated = schedule::isolate(request, whole, 1U << static_cast<uint32_t>(abi::Opcode::kNormQkvRopeAppend));
  REQUIRE(isolated.ok());
  vm::ReferenceVm alone = vm::ReferenceVm::create(accepted(isolated->program), model.checkpoint, pool(), true).value();
  vm::ReferenceVm all = vm::ReferenceVm::create(accepted(whole), model.checkpoint, pool()).value();
  CHECK_FALSE(alone.values(isolated->results.front()).ok());
  REQUIRE(alone.step(5).ok());
  REQUIRE(all.step(5).ok());
  uint32_t compared = 0;
  for (const BufferId id : isolated->results) {
    const std::string& name = isolated->program.buffer(id).name;
    if (!name.starts_with("l0.")) continue;
    for (uint32_t i = 0; i < whole.buffers.size(); ++i) {
      if (whole.buffers[i].name != name) continue;
      CHECK(alone.values(id).value() == all.values(BufferId(i)).value());
      ++compared;
    }
  }
  CHECK(compared == 3);  // the query and both caches
}

TEST_CASE("an instruction that the schedule does not have is refused") {
  const test::LoweredModel model = test::open_model("toy");
  const schedule::LowerRequest request = request_of(model, {});
  const Program whole = schedule::lower(request).value();
  const auto refused = schedule::isolate(request, whole, 1U << static_cast<uint32_t>(abi::Opcode::kSiluMul));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUsage);
}
