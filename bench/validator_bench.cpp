// Programs a second of the validator on one core: full-size lowerings and small random-like programs.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "schedule/lowering.h"
#include "schedule/target.h"
#include "validator/validator.h"

namespace {

using namespace amk;
using Clock = std::chrono::steady_clock;

constexpr size_t kRounds = 9;
constexpr double kRoundSeconds = 0.05;

/// Median seconds of one check; false when the program is not accepted.
bool measure(const std::string& name, const schedule::Program& program) {
  validator::Validator validator;
  std::vector<double> seconds;
  for (size_t round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    size_t checks = 0;
    double passed = 0;
    for (; passed < kRoundSeconds; ++checks) {
      validator.check(program);
      passed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    seconds.push_back(passed / static_cast<double>(checks));
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[kRounds / 2];
  fmt::print("{:<36} {:>6} tasks on {:>3} SMs: {:>9.3f} ms, {:>9.0f} a second, {:>6.3f} us a task\n", name,
             program.tasks.size(), program.placement.queues.size(), median * 1e3, 1 / median,
             median * 1e6 / static_cast<double>(program.tasks.size()));
  return validator.outcome() == validator::Outcome::kAccepted;
}

Status measure_model(const std::string& model, const std::string& target_name, bool fused) {
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open(model));
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(target_name));
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  schedule::ScheduleConfig config;
  if (!fused) config.fusion_grouping.clear();
  const uint32_t context = schedule::default_context(graph.config);
  AMK_ASSIGN_OR_RETURN(const schedule::Program program, schedule::lower({&graph, target, config, context}));
  if (measure(fmt::format("{} {} {}", model, target_name, fused ? "fused" : "unfused"), program)) return {};
  return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", model, ""};
}

/// Six tasks on three SMs: two slices of an embedding, summed and summed again in halves.
schedule::Program small_program() {
  const auto shape = [](abi::Dtype dtype, uint32_t rank, uint64_t first, uint64_t second) {
    return abi::Shape{dtype, rank, {first, second, 1, 1}};
  };
  schedule::Program program;
  program.meta = {"small", 16, "small"};
  program.target = "h100";
  program.launch = {544,
                    2,
                    1024,
                    1024,
                    2 * 1024 + 1024 + schedule::control_bytes(544),
                    2,
                    1,
                    abi::StreamBackend::kBulk,
                    abi::SyncProtocol::kPackets,
                    abi::Products::kTensorCores};
  using schedule::Space;
  program.buffers = {{"token", abi::BufferKind::kInput, shape(abi::Dtype::kU32, 1, 1, 1), Space::kGlobal, ""},
                     {"table", abi::BufferKind::kWeight, shape(abi::Dtype::kF32, 2, 8, 64), Space::kGlobal, "table"}};
  for (const char* name : {"a", "b", "c"}) {
    program.buffers.push_back(
        {name, abi::BufferKind::kActivation, shape(abi::Dtype::kF32, 1, 64, 1), Space::kScratch, ""});
  }
  for (uint32_t i = 0; i < 6; ++i) {
    const uint32_t half = i % 2, begin = half * 32;
    const uint64_t from = uint64_t{half} * 128, to = from + 128;
    schedule::Task task;
    if (i < 4) {
      task.opcode = abi::Opcode::kEmbed;
      task.params = abi::EmbedParams{begin, 32};
      task.operands = {BufferId(0), BufferId(1), BufferId(2 + i / 2)};
      task.ranges = {{0, abi::Span::kWhole, 0, 4}, {1, abi::Span::kWhole, 0, 2048}, {2, abi::Span::kWhole, from, to}};
    } else {
      task.opcode = abi::Opcode::kResidualAdd;
      task.params = abi::ElementwiseParams{begin, 32};
      task.operands = {BufferId(2), BufferId(3), BufferId(4)};
      for (uint8_t operand = 0; operand < 3; ++operand) task.ranges.push_back({operand, abi::Span::kWhole, from, to});
      task.waits = {{CounterId(half), 1}, {CounterId(2 + half), 1}};
    }
    task.signal = CounterId(i);
    program.counters.push_back({});
    program.tasks.push_back(std::move(task));
  }
  program.placement.queues = {{TaskId(0), TaskId(4)}, {TaskId(1), TaskId(5)}, {TaskId(2), TaskId(3)}};
  program.pages = {{BufferId(2), 0, 256, TaskId(0), TaskId(5)},
                   {BufferId(3), 256, 256, TaskId(2), TaskId(5)},
                   {BufferId(4), 512, 256, TaskId(4), TaskId(5)}};
  program.scratch_bytes = 768;
  return program;
}

Status run() {
  if (!measure("small", small_program())) {
    return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", "small", ""};
  }
  for (const bool fused : {true, false}) {
    AMK_TRY(measure_model("toy", "t4", fused));
    AMK_TRY(measure_model("synthetic:smollm2-135m", "h100", fused));
    AMK_TRY(measure_model("synthetic:llama-3.1-8b", "h100", fused));
  }
  return {};
}

}  // namespace

int main() {
  const Status status = run();
  if (!status) fmt::print(stderr, "{}\n", status.error().text());
  return status ? 0 : 1;
}
