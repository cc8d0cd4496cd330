#include "vm/cuda/device_program.h"

#include <doctest/doctest.h>

#include "support/lowered.h"

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

}  // namespace

TEST_CASE("packets realise every edge that activations pass, and none that outputs pass") {
  const test::LoweredModel model = test::open_model("models/shakespeare-llama-3m");
  for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, test::unfused()}) {
    const schedule::Program program = test::lower(model, "h100", config);
    CHECK(edges_of(program, reads_outputs).realised == 0);
    CHECK(edges_of(program, reads_outputs).kept > 0);
    CHECK(edges_of(program, reads_activations).realised > 0);
  }
  CHECK(edges_of(test::lower(model), reads_activations).kept == 0);
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
