#include "vm/cuda/packet_edges.h"

#include <doctest/doctest.h>

#include "support/lowered.h"
#include "support/mini_program.h"
#include "validator/validator.h"

namespace {

using namespace amk;
using namespace amk::vm::cuda;

/// Waits of a program that packets realise, and those that remain.
struct Edges {
  size_t realised = 0;
  size_t kept = 0;
};

Edges edges_of(const schedule::Program& program, bool (*counts)(abi::Opcode)) {
  const PacketEdges edges(program);
  Edges out;
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    if (!counts(program.tasks[i].opcode)) continue;
    for (const schedule::Wait& wait : program.tasks[i].waits) {
      const bool realised = edges.realised(TaskId(i), wait.counter);
      ++(realised ? out.realised : out.kept);
      CHECK((realised || edges.kept(wait.counter)));
    }
  }
  return out;
}

bool reads_outputs(abi::Opcode opcode) { return opcode == abi::Opcode::kArgmax; }
bool reads_activations(abi::Opcode opcode) { return opcode != abi::Opcode::kArgmax; }

/// Whether `waiter` still polls the counter of `producer`, in a program that the validator accepts.
bool polls(const schedule::Program& program, TaskId waiter, TaskId producer) {
  REQUIRE(validator::validate(program).outcome == validator::Outcome::kAccepted);
  return !PacketEdges(program).realised(waiter, program.task(producer).signal);
}

/// A vector of 8, as products write it.
BufferId short_vector(test::MiniProgram& mini, const char* name) {
  const BufferId id = mini.vector(name);
  mini.program.buffers[id.index()].shape.extent[0] = 8;
  return id;
}

}  // namespace

TEST_CASE("packets realise every edge that activations pass, and none that outputs pass") {
  const test::LoweredModel model = test::open_model("models/shakespeare-llama-3m");
  for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, test::unfused()}) {
    const schedule::Program program = test::lower(model, "h100", config);
    CHECK(edges_of(program, reads_outputs).realised == 0);
    CHECK(edges_of(program, reads_outputs).kept > 0);
    CHECK(edges_of(program, reads_activations).realised > 0);
  }
  // The default schedule's pages are shared so that packets alone keep their uses apart, whatever shares them.
  for (const abi::PageAllocation policy :
       {abi::PageAllocation::kGraphColor, abi::PageAllocation::kLinear, abi::PageAllocation::kNone}) {
    schedule::ScheduleConfig config;
    config.page_allocation = policy;
    CAPTURE(static_cast<int>(policy));
    CHECK(edges_of(test::lower(model, "h100", config), reads_activations).kept == 0);
  }
}

TEST_CASE("at full size no packet of the default schedule needs a counter, either") {
  for (const char* name : {"synthetic:llama-3.2-1b", "synthetic:llama-3.1-8b", "synthetic:smollm2-135m"}) {
    CAPTURE(std::string(name));
    CHECK(edges_of(test::lower(test::open_model(name)), reads_activations).kept == 0);
  }
}

TEST_CASE("under the counter protocol every edge is a counter's") {
  const test::LoweredModel model = test::open_model("toy");
  schedule::ScheduleConfig config;
  config.sync_protocol = abi::SyncProtocol::kCounters;
  const schedule::Program program = test::lower(model, "h100", config);
  const auto all = [](abi::Opcode) { return true; };
  CHECK(edges_of(program, all).realised == 0);
  CHECK(edges_of(program, all).kept > 0);
}

TEST_CASE("where a reader of an output has no counter of its own, no edge is taken to be realised") {
  schedule::Program program = test::lower(test::open_model("toy"));
  for (schedule::Task& task : program.tasks) {
    if (task.opcode == abi::Opcode::kArgmax) task.waits.clear();
  }
  CHECK(edges_of(program, reads_activations).realised == 0);
}

TEST_CASE("a vector that is written twice in a pass is told apart by counters: both values have one tag") {
  for (const bool again : {true, false}) {
    test::MiniProgram mini;
    const BufferId x = mini.vector("x"), y = mini.vector("y"), z = mini.vector("z"), w = mini.vector("w");
    const TaskId first = mini.fill(0, x), reader = mini.add(1, x, x, y);
    const TaskId second = mini.fill(2, again ? x : w), last = mini.add(0, again ? x : w, y, z);
    mini.wait(reader, {first});
    mini.wait(second, {reader});
    mini.wait(last, {reader, second});
    CHECK(polls(mini.program, last, second) == again);
    CHECK(polls(mini.program, reader, first) == again);
  }
}

TEST_CASE("a task that writes while it waits for packets keeps its counters where its page was another's") {
  for (const bool shared : {true, false}) {
    test::MiniProgram mini;
    const BufferId z = mini.vector("z"), x = short_vector(mini, "x"), y = short_vector(mini, "y");
    const TaskId fill = mini.fill(0, z), low = mini.product(1, z, x, 0, 4), high = mini.product(2, z, x, 4, 4);
    const TaskId sum = mini.add(0, x, x, y, 0, 8);
    mini.wait(low, {fill});
    mini.wait(high, {fill});
    mini.wait(sum, {low, high});
    if (shared) mini.overlay(y, z);
    // The sum of the low half may be written over what the product of the high half still reads.
    CHECK(polls(mini.program, sum, high) == shared);
    CHECK_FALSE(polls(mini.program, high, fill));
  }
}

TEST_CASE("a value that nobody reads has its counter: no packet shows that it was written") {
  for (const bool read : {true, false}) {
    test::MiniProgram mini;
    const BufferId z = mini.vector("z"), x = short_vector(mini, "x"), y = short_vector(mini, "y"), w = mini.vector("w");
    const TaskId fill = mini.fill(0, z), all = mini.product(1, z, x), sum = mini.add(2, x, x, y, 0, read ? 8 : 4);
    const TaskId over = mini.fill(0, w);
    mini.wait(all, {fill});
    mini.wait(sum, {all});
    mini.wait(over, {sum});
    mini.overlay(w, x);
    CHECK(polls(mini.program, sum, all) == !read);
  }
}
