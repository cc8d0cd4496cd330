#include "vm/reference/reference_vm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "eval/oracle.h"
#include "schedule/lowering.h"
#include "schedule/target.h"

using namespace amk;

namespace {

constexpr uint32_t kContext = 40;
constexpr uint32_t kTokens[] = {3, 17, 200, 3, 91, 8, 8, 250, 0, 64, 31, 5, 77, 120, 19, 2, 33, 48, 60, 111};

model::Checkpoint open(const std::string& name) {
  auto checkpoint = model::Checkpoint::open(name);
  REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
  return std::move(checkpoint).value();
}

schedule::Program lowered(const model::Checkpoint& checkpoint, const schedule::ScheduleConfig& config = {},
                          const char* target = "h100") {
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  auto program = schedule::lower({&graph, *schedule::find_target(target), config, kContext});
  REQUIRE_MESSAGE(program.ok(), program.error().text());
  return std::move(program).value();
}

validator::ValidatedProgram accepted(schedule::Program program) {
  validator::Validation validation = validator::validate(std::move(program));
  for (const validator::Finding& finding : validation.findings) MESSAGE(describe(finding, *validation.program));
  REQUIRE(validation.validated.has_value());
  return *validation.validated;
}

vm::ReferenceVm make(const validator::ValidatedProgram& program, const model::Checkpoint& checkpoint,
                     ThreadPool& pool) {
  auto made = vm::ReferenceVm::create(program, checkpoint, pool);
  REQUIRE_MESSAGE(made.ok(), made.error().text());
  return std::move(made).value();
}

/// Logits of every position and the greedy token after it, one after another.
struct Run {
  std::vector<float> logits;
  std::vector<uint32_t> next;
  bool operator==(const Run& other) const {
    return next == other.next && logits.size() == other.logits.size() &&
           std::memcmp(logits.data(), other.logits.data(), 4 * logits.size()) == 0;
  }
};

Run run(vm::ReferenceVm& machine) {
  Run out;
  for (const uint32_t token : kTokens) {
    const Status status = machine.step(token % static_cast<uint32_t>(std::max<size_t>(1, machine.logits().size())));
    REQUIRE_MESSAGE(status.ok(), status.error().text());
    out.logits.insert(out.logits.end(), machine.logits().begin(), machine.logits().end());
    out.next.push_back(machine.next_token());
  }
  return out;
}

/// Largest difference to the oracle, relative to the oracle's largest logit.
double distance_to_oracle(const model::Checkpoint& checkpoint, const Run& found, ThreadPool& pool) {
  auto oracle = eval::Oracle::create(checkpoint, kContext, pool);
  REQUIRE(oracle.ok());
  std::vector<uint32_t> ids;
  for (const uint32_t token : kTokens) ids.push_back(token % checkpoint.config().vocab_size);
  auto expected = oracle->forward(ids);
  REQUIRE(expected.ok());
  REQUIRE(expected->size() == found.logits.size());
  double difference = 0, magnitude = 0;
  for (size_t i = 0; i < expected->size(); ++i) {
    if (std::isnan(found.logits[i])) return INFINITY;
    difference = std::max(difference, std::abs(double{(*expected)[i]} - double{found.logits[i]}));
    magnitude = std::max(magnitude, std::abs(double{(*expected)[i]}));
  }
  return difference / magnitude;
}

constexpr double kTolerance = 2e-5;

schedule::ScheduleConfig unfused() {
  schedule::ScheduleConfig config;
  config.fusion_grouping = {};
  return config;
}

schedule::ScheduleConfig many_splits() {
  schedule::ScheduleConfig config;
  config.attention_kv_block = 16;
  config.attention_splits = 3;
  config.gemv_n_tile = 8;
  config.gemv_k_chunk = 64;
  return config;
}

}  // namespace

TEST_CASE("logits are the oracle's, whatever the model and the schedule") {
  ThreadPool pool(2);
  for (const char* name : {"toy", "toy-2l", "tests/models/llama-mha", "tests/models/llama-gqa-tied",
                           "tests/models/llama-f16", "tests/models/llama-bf16-sharded", "tests/models/llama3-rope",
                           "tests/models/llama-odd-sizes", "tests/models/llama-head-dim"}) {
    const model::Checkpoint checkpoint = open(name);
    for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, unfused(), many_splits()}) {
      CAPTURE(name);
      vm::ReferenceVm machine = make(accepted(lowered(checkpoint, config)), checkpoint, pool);
      machine.set_poison(true);
      const Run found = run(machine);
      CHECK(distance_to_oracle(checkpoint, found, pool) < kTolerance);
      for (size_t i = 0; i < found.next.size(); ++i) {
        const size_t vocab = machine.logits().size();
        const auto first = found.logits.begin() + static_cast<std::ptrdiff_t>(i * vocab);
        CHECK(found.next[i] == std::max_element(first, first + static_cast<std::ptrdiff_t>(vocab)) - first);
      }
    }
  }
}

TEST_CASE("every order of the tasks gives the same bits, on any number of threads, poisoned or not") {
  const model::Checkpoint checkpoint = open("toy-2l");
  for (const schedule::ScheduleConfig& config : {schedule::ScheduleConfig{}, unfused(), many_splits()}) {
    const validator::ValidatedProgram program = accepted(lowered(checkpoint, config));
    ThreadPool one(1);
    vm::ReferenceVm reference = make(program, checkpoint, one);
    const Run expected = run(reference);
    for (const size_t threads : {2U, 3U, 7U}) {
      ThreadPool pool(threads);
      vm::ReferenceVm machine = make(program, checkpoint, pool);
      for (const bool poison : {false, true}) {
        CAPTURE(threads);
        machine.reset();
        machine.set_poison(poison);
        CHECK((run(machine) == expected));
      }
    }
    for (uint64_t seed = 0; seed < 6; ++seed) {
      CAPTURE(seed);
      vm::ReferenceVm machine = make(program, checkpoint, one);
      machine.set_poison(true);
      machine.set_order({vm::Order::Kind::kAdversarial, seed});
      CHECK((run(machine) == expected));
    }
  }
}

TEST_CASE("reset forgets every position") {
  const model::Checkpoint checkpoint = open("toy");
  ThreadPool pool(2);
  vm::ReferenceVm machine = make(accepted(lowered(checkpoint)), checkpoint, pool);
  CHECK(machine.position() == 0);
  const Run first = run(machine);
  CHECK(machine.position() == std::size(kTokens));
  machine.reset();
  CHECK(machine.position() == 0);
  CHECK((run(machine) == first));
}

TEST_CASE("a token outside the vocabulary and a full context are refused, and nothing changes") {
  const model::Checkpoint checkpoint = open("toy");
  ThreadPool pool(2);
  vm::ReferenceVm machine = make(accepted(lowered(checkpoint)), checkpoint, pool);
  for (uint32_t i = 0; i < kContext; ++i) REQUIRE(machine.step(i).ok());
  const std::vector<float> last(machine.logits().begin(), machine.logits().end());
  const Status full = machine.step(1);
  REQUIRE(!full.ok());
  CHECK(full.error().code == ErrorCode::kUsage);
  CHECK(full.error().message == "the context of 40 positions is full");
  CHECK(machine.position() == kContext);
  machine.reset();
  const Status outside = machine.step(256);
  REQUIRE(!outside.ok());
  CHECK(outside.error().code == ErrorCode::kUsage);
  CHECK(outside.error().message == "expected a token below 256, found 256");
  CHECK(machine.position() == 0);
  CHECK(std::ranges::equal(machine.logits(), last));
}

TEST_CASE("a checkpoint that is not the program's is refused by the weight that differs") {
  ThreadPool pool(1);
  const model::Checkpoint toy = open("toy");
  const model::Checkpoint two_layers = open("toy-2l");
  const auto message = [&](const model::Checkpoint& compiled, const model::Checkpoint& given) {
    const auto made = vm::ReferenceVm::create(accepted(lowered(compiled)), given, pool);
    REQUIRE(!made.ok());
    CHECK(made.error().code == ErrorCode::kBadInput);
    return made.error().text();
  };
  CHECK(message(two_layers, toy).find("expected a tensor of 'toy', found 'model.layers.1.") != std::string::npos);
  const model::Checkpoint other = open("tests/models/llama-mha");
  const std::string shapes = message(toy, other);
  CHECK(shapes.find("expected 'model.layers.0.self_attn.k_proj.weight' to be f32 [32, 64], found f32 [64, 64]") !=
        std::string::npos);
  CHECK(shapes.find("use the checkpoint that the program was compiled for") != std::string::npos);
}

TEST_CASE("a constant and an output that nothing provides are refused by name") {
  const model::Checkpoint checkpoint = open("toy");
  ThreadPool pool(1);
  const auto message = [&](const std::function<void(schedule::Buffer&)>& change) {
    schedule::Program program = lowered(checkpoint);
    for (schedule::Buffer& buffer : program.buffers) change(buffer);
    const auto made = vm::ReferenceVm::create(accepted(std::move(program)), checkpoint, pool);
    REQUIRE(!made.ok());
    CHECK(made.error().code == ErrorCode::kBadInput);
    return made.error().text();
  };
  CHECK(message([](schedule::Buffer& buffer) {
          if (buffer.source == "rope.inv_freq") buffer.source = "rope.cosines";
        }) == "buffer 'rope.inv_freq': expected the constant 'rope.inv_freq', found 'rope.cosines'");
  CHECK(message([](schedule::Buffer& buffer) {
          if (buffer.name == "logits") buffer.name = "scores";
        }) == "expected the inputs 'token' and 'position' and the outputs 'logits' and 'next_token'");
}
