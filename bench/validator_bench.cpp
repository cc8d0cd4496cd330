// What a verdict costs on one core, in time of the processor: whole models, the curve over size, small programs.
//
// The mix of small programs: 128 of them, seeded (few enough to stay in the cache, as a program does that is judged as
// soon as it is made), 2 to 9 tasks on 1 to 4 SMs. Two vectors are filled, each by one task or by two halves; up to
// five sums of two earlier vectors follow, each on some SM and waiting for all that writes its inputs. Then 85 of 100
// get one fault, of six kinds in equal parts: a wait dropped, a threshold raised, two neighbours of a queue swapped,
// one page laid over another, a declared range cut short, a signal moved to another's counter. Some of these do no
// harm.
#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/random.h"
#include "schedule/lowering.h"
#include "schedule/target.h"
#include "support/mini_program.h"
#include "validator/validator.h"

namespace {

using namespace amk;
using schedule::Program;
using validator::Outcome;

constexpr size_t kRounds = 9;
constexpr double kRoundSeconds = 0.05;
constexpr size_t kMixPrograms = 128;
constexpr uint64_t kMixSeed = 1;
constexpr uint64_t kFaultPercent = 85;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Median seconds that `work` takes.
template <typename Work>
double median_seconds(const Work& work) {
  std::vector<double> seconds;
  for (size_t round = 0; round < kRounds; ++round) {
    const double start = cpu_seconds();
    size_t count = 0;
    double passed = 0;
    for (; passed < kRoundSeconds; ++count) {
      work();
      passed = cpu_seconds() - start;
    }
    seconds.push_back(passed / static_cast<double>(count));
  }
  std::ranges::sort(seconds);
  return seconds[kRounds / 2];
}

/// Prints the median time of one check; kInternal when the program is not accepted.
Status measure(const std::string& name, const Program& program) {
  validator::Validator validator;
  const double median = median_seconds([&] { validator.check(program); });
  fmt::print("{:<36} {:>6} tasks on {:>3} SMs: {:>9.3f} ms, {:>6.3f} us a task\n", name, program.tasks.size(),
             program.placement.queues.size(), median * 1e3, median * 1e6 / static_cast<double>(program.tasks.size()));
  if (validator.outcome() == Outcome::kAccepted) return {};
  return Error{ErrorCode::kInternal, "expected an accepted program, found a rejected one", name, ""};
}

Status measure_model(const std::string& model, const std::string& target_name, bool fused) {
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open(model));
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target(target_name));
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  schedule::ScheduleConfig config;
  if (!fused) config.fusion_grouping.clear();
  const uint32_t context = schedule::default_context(graph.config);
  AMK_ASSIGN_OR_RETURN(const Program program, schedule::lower({&graph, target, config, context}));
  return measure(fmt::format("{} {} {}", model, target_name, fused ? "fused" : "unfused"), program);
}

// ---- the curve ----

/// `graph` with `layers` layers, all of the first one's shapes.
schedule::ModelGraph with_layers(const schedule::ModelGraph& graph, uint32_t layers) {
  schedule::ModelGraph out = graph;
  out.config.layer_count = layers;
  out.nodes.clear();
  std::vector<schedule::GraphNode> layer_nodes, tail;
  for (const schedule::GraphNode& node : graph.nodes) {
    if (node.op == abi::GraphOp::kEmbed) {
      out.nodes.push_back(node);
    } else if (node.layer == 0) {
      layer_nodes.push_back(node);
    } else if (node.layer == schedule::kHead) {
      tail.push_back(node);
    }
  }
  for (uint32_t layer = 0; layer < layers; ++layer) {
    for (const schedule::GraphNode& node : layer_nodes) out.nodes.push_back({node.op, layer});
  }
  out.nodes.insert(out.nodes.end(), tail.begin(), tail.end());
  const std::string own = "model.layers.0.";
  for (const auto& [name, shape] : graph.weights) {
    if (!name.starts_with(own)) continue;
    for (uint32_t layer = 0; layer < layers; ++layer) {
      out.weights[fmt::format("model.layers.{}.{}", layer, name.substr(own.size()))] = shape;
    }
  }
  return out;
}

Status measure_curve() {
  AMK_ASSIGN_OR_RETURN(const model::Checkpoint checkpoint, model::Checkpoint::open("synthetic:llama-3.1-8b"));
  AMK_ASSIGN_OR_RETURN(const abi::TargetInfo* target, schedule::find_target("h100"));
  const schedule::ModelGraph graph = schedule::build_graph(checkpoint);
  for (const uint32_t layers : {1U, 3U, 8U, 16U, 32U, 80U, 160U, 340U}) {
    const schedule::ModelGraph stretched = with_layers(graph, layers);
    AMK_ASSIGN_OR_RETURN(const Program program, schedule::lower({&stretched, target, {}, 2048}));
    AMK_TRY(measure(fmt::format("Llama-3.1-8B, {} layers", layers), program));
  }
  return {};
}

// ---- the mix ----

struct Written {
  BufferId vector;
  std::vector<TaskId> writers;
};

Written fill_one(test::MiniProgram& mini, Random& random, const std::string& name) {
  constexpr uint32_t kHalf = test::MiniProgram::kSize / 2;
  const auto some_sm = [&] { return static_cast<uint32_t>(random.below(mini.program.placement.queues.size())); };
  Written out{mini.vector(name), {}};
  if (random.below(2) == 0) {
    out.writers = {mini.fill(some_sm(), out.vector)};
  } else {
    out.writers = {mini.fill(some_sm(), out.vector, 0, kHalf), mini.fill(some_sm(), out.vector, kHalf, kHalf)};
  }
  return out;
}

void plant_fault(Program& program, Random& random) {
  const auto pick = [&](auto& list) -> auto& { return list[random.below(list.size())]; };
  schedule::Task& task = program.tasks.back();
  switch (random.below(6)) {
    case 0:
      if (!task.waits.empty())
        task.waits.erase(task.waits.begin() + static_cast<long>(random.below(task.waits.size())));
      return;
    case 1:
      if (!task.waits.empty()) ++pick(task.waits).threshold;
      return;
    case 2: {
      std::vector<TaskId>& queue = pick(program.placement.queues);
      if (queue.size() > 1) std::swap(queue[0], queue[1]);
      return;
    }
    case 3:
      pick(program.pages).offset = pick(program.pages).offset;
      return;
    case 4:
      pick(program.tasks).ranges.back().end -= sizeof(float);
      return;
    default:
      pick(program.tasks).signal = pick(program.tasks).signal;
  }
}

Program mixed_program(Random& random) {
  test::MiniProgram mini(static_cast<uint32_t>(1 + random.below(4)));
  std::vector<Written> written = {fill_one(mini, random, "v0"), fill_one(mini, random, "v1")};
  const uint64_t sums = random.below(6);
  for (uint64_t i = 0; i < sums; ++i) {
    const Written x = written[random.below(written.size())], y = written[random.below(written.size())];
    Written sum{mini.vector(fmt::format("v{}", written.size())), {}};
    const auto sm = static_cast<uint32_t>(random.below(mini.program.placement.queues.size()));
    sum.writers = {mini.add(sm, x.vector, y.vector, sum.vector)};
    for (const Written* input : {&x, &y}) {
      for (const TaskId writer : input->writers) mini.wait(sum.writers[0], {writer});
    }
    written.push_back(std::move(sum));
  }
  if (random.below(100) < kFaultPercent) plant_fault(mini.program, random);
  return std::move(mini.program);
}

void measure_mix() {
  Random random(kMixSeed);
  std::vector<Program> programs;
  for (size_t i = 0; i < kMixPrograms; ++i) programs.push_back(mixed_program(random));
  validator::Validator validator;
  size_t accepted = 0, tasks = 0, findings = 0;
  for (const Program& program : programs) {
    findings += validator.check(program).size();
    accepted += validator.outcome() == Outcome::kAccepted ? 1U : 0U;
    tasks += program.tasks.size();
  }
  const double median = median_seconds([&] {
    for (const Program& program : programs) validator.check(program);
  });
  fmt::print(
      "small programs, mixed: {:.0f} a second; of {}, {} accepted, {} rejected with {} findings; {:.1f} tasks each\n",
      static_cast<double>(programs.size()) / median, programs.size(), accepted, programs.size() - accepted, findings,
      static_cast<double>(tasks) / static_cast<double>(programs.size()));
}

Status run() {
  measure_mix();
  for (const bool fused : {true, false}) {
    AMK_TRY(measure_model("toy", "t4", fused));
    AMK_TRY(measure_model("synthetic:smollm2-135m", "h100", fused));
    AMK_TRY(measure_model("synthetic:llama-3.1-8b", "h100", fused));
    AMK_TRY(measure_model("synthetic:llama-3.1-70b", "h100", fused));
  }
  return measure_curve();
}

}  // namespace

int main() {
  const Status status = run();
  if (!status) fmt::print(stderr, "{}\n", status.error().text());
  return status ? 0 : 1;
}
