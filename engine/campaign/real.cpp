#include "campaign/real.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "model/checkpoint.h"
#include "model/synthetic.h"
#include "schedule/fusion.h"
#include "schedule/lowering.h"
#include "schedule/target.h"

namespace amk::campaign {
namespace {

using schedule::Program;
using schedule::ScheduleConfig;

struct SmallShape {
  const char* name;
  uint32_t hidden;
  uint32_t intermediate;
  uint32_t layers;
  uint32_t q_heads;
  uint32_t kv_heads;
  uint32_t head_dim;
  uint32_t vocab;
  bool tied_head;
};

constexpr SmallShape kSmallShapes[] = {
    {"toy", 64, 176, 1, 4, 2, 16, 256, false},  {"toy-2l", 64, 176, 2, 4, 2, 16, 256, true},
    {"mha", 64, 128, 1, 4, 4, 16, 96, false},   {"mqa", 64, 128, 2, 4, 1, 16, 96, true},
    {"odd", 72, 104, 1, 3, 1, 24, 101, false},  {"wide-heads", 64, 96, 1, 2, 2, 64, 80, true},
    {"narrow", 32, 40, 2, 2, 1, 16, 48, false}, {"deep", 32, 64, 4, 2, 2, 8, 40, true},
    {"gqa", 128, 256, 1, 8, 2, 16, 200, false},
};
constexpr std::array kLargeShapes = {"synthetic:smollm2-135m", "synthetic:tinyllama-1.1b", "synthetic:llama-3.2-1b",
                                     "synthetic:llama-3.2-3b", "synthetic:llama-3.1-8b"};
constexpr uint64_t kLargeOneIn = 100;

template <typename T, size_t kCount>
const T& one_of(Random& random, const T (&values)[kCount]) {
  return values[random.below(kCount)];
}
template <typename T, size_t kCount>
const T& one_of(Random& random, const std::array<T, kCount>& values) {
  return values[random.below(kCount)];
}
/// Every other draw keeps the knob's default.
bool turned(Random& random) { return random.below(2) == 0; }

model::ModelConfig small_config(const SmallShape& shape) {
  model::ModelConfig config = *model::builtin_config("toy");
  config.hidden_size = shape.hidden;
  config.intermediate_size = shape.intermediate;
  config.layer_count = shape.layers;
  config.q_head_count = shape.q_heads;
  config.kv_head_count = shape.kv_heads;
  config.head_dim = shape.head_dim;
  config.vocab_size = shape.vocab;
  config.tied_head = shape.tied_head;
  return config;
}

schedule::ModelGraph some_graph(Random& random, Size size) {
  using enum abi::Dtype;
  constexpr abi::Dtype kStored[] = {kF32, kBf16, kF16};
  constexpr abi::Dtype kQuantised[] = {kI8G64, kI8G128, kI8Row, kI4G64, kI4G128, kI4Row};
  const abi::Dtype stored = one_of(random, kStored);
  const abi::Dtype matrices = random.below(3) == 0 ? one_of(random, kQuantised) : stored;
  const auto dtype_of = [=](const model::TensorSpec& spec) { return spec.shape.size() == 2 ? matrices : stored; };
  if (size == Size::kAny && random.below(kLargeOneIn) == 0) {
    const std::string name = one_of(random, kLargeShapes);
    return schedule::build_graph(name, *model::builtin_config(name), dtype_of);
  }
  const SmallShape& shape = one_of(random, kSmallShapes);
  return schedule::build_graph(shape.name, small_config(shape), dtype_of);
}

schedule::FusionGrouping some_fusions(Random& random) {
  schedule::FusionGrouping groups;
  const uint64_t dense = random.below(3);  // none, about one, about half
  for (const schedule::Fusion& fusion : schedule::all_fusions()) {
    const bool chosen = dense == 2 ? random.below(2) == 0 : dense == 1 && random.below(8) == 0;
    if (!chosen) continue;
    groups.emplace_back();
    for (const abi::GraphOp op : fusion.ops) groups.back().emplace_back(schedule::op_name(op));
  }
  return groups;
}

void turn_tiling(ScheduleConfig& config, Random& random) {
  constexpr uint32_t kTiles[] = {8, 16, 24, 64, 256, 65536};
  constexpr uint32_t kChunks[] = {64, 128, 256, 512, 1024};
  constexpr uint32_t kBlocks[] = {16, 64, 512, 4096};
  constexpr uint32_t kSplits[] = {1, 2, 3, 16};
  if (turned(random)) config.fusion_grouping = some_fusions(random);
  if (turned(random)) config.gemv_n_tile = one_of(random, kTiles);
  if (turned(random)) config.gemv_k_chunk = one_of(random, kChunks);
  if (turned(random)) config.attention_kv_block = one_of(random, kBlocks);
  if (turned(random)) config.attention_splits = one_of(random, kSplits);
}

void turn_launch(ScheduleConfig& config, Random& random) {
  constexpr uint32_t kDepths[] = {2, 3, 8};
  constexpr uint32_t kThreads[] = {64, 96, 256, 1024};
  constexpr uint32_t kSharedMemory[] = {49152, 65536, 98304};
  constexpr uint32_t kTokens[] = {2, 16};
  constexpr uint32_t kCopies[] = {1, 2};
  if (turned(random)) config.pipelining_depth = one_of(random, kDepths);
  if (turned(random)) config.threads_per_block = one_of(random, kThreads);
  if (turned(random)) config.smem_bytes_per_block = one_of(random, kSharedMemory);
  if (turned(random)) config.tokens_per_launch = one_of(random, kTokens);
  if (turned(random)) config.copies_in_flight = one_of(random, kCopies);
  if (turned(random)) config.sync_protocol = abi::SyncProtocol::kCounters;
  if (turned(random)) config.products = static_cast<abi::Products>(random.below(std::size(abi::kProductsValues)));
  if (turned(random)) {
    config.stream_backend = static_cast<abi::StreamBackend>(random.below(std::size(abi::kStreamBackendValues)));
  }
  if (turned(random)) {
    config.page_allocation = static_cast<abi::PageAllocation>(random.below(std::size(abi::kPageAllocationValues)));
  }
}

void turn_placement(ScheduleConfig& config, Random& random, uint32_t sms) {
  switch (random.below(4)) {
    case 0:
      config.sm_assignment.policy = abi::SmPolicy::kRoundRobin;
      return;
    case 1:
      config.sm_assignment.policy = abi::SmPolicy::kMeasured;
      for (uint32_t sm = 0; sm < sms; ++sm) config.sm_assignment.bandwidth.push_back(1.0 + random.uniform());
      return;
    default:
      return;
  }
}

/// Lowers; one draw in four then gives every task an SM of its own choice, few or all of them.
Result<Program> lower(schedule::LowerRequest request, Random& random) {
  AMK_ASSIGN_OR_RETURN(Program program, schedule::lower(request));
  if (random.below(4) != 0) return program;
  schedule::SmAssignment& assignment = request.config.sm_assignment;
  assignment = {abi::SmPolicy::kExplicit, {}, {}};
  const uint64_t sms = random.below(2) == 0 ? 1 + random.below(4) : request.target->sms;
  for (size_t i = 0; i < program.tasks.size(); ++i) {
    assignment.sm_of.push_back(static_cast<uint32_t>(random.below(sms)));
  }
  return schedule::lower(request);
}

}  // namespace

Program real_program(Random& random, Size size) {
  constexpr abi::Dtype kCaches[] = {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16};
  constexpr uint32_t kContexts[] = {1, 2, 17, 64, 256};
  while (true) {
    const schedule::ModelGraph graph = some_graph(random, size);
    schedule::LowerRequest request;
    request.graph = &graph;
    request.target = &one_of(random, abi::kTargets);
    request.context = turned(random) ? one_of(random, kContexts) : schedule::default_context(graph.config);
    request.kv_dtype = one_of(random, kCaches);
    turn_tiling(request.config, random);
    turn_launch(request.config, random);
    turn_placement(request.config, random, request.target->sms);
    Result<Program> program = lower(request, random);
    if (!program) continue;
    if (size == Size::kSmall && program->tasks.size() > kSmallTasksMax) continue;
    return std::move(program).value();
  }
}

}  // namespace amk::campaign
