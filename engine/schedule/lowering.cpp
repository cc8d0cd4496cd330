#include "schedule/lowering.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.h"
#include "schedule/passes/lowering_state.h"
#include "schedule/schedule_config_json.h"

namespace amk::schedule {
namespace {

struct Pass {
  std::string_view name;
  Status (*run)(passes::LoweringState&);
};

// The order is a chain of needs: tiles need groups, edges need tiles, queues need tasks, pages need edges and queues
// (they decide what is alive together), the launch needs the tiles' sizes.
constexpr Pass kPasses[] = {
    {"fuse", passes::fuse},
    {"tile", passes::tile},
    {"synchronize", passes::synchronize},
    {"place", passes::place},
    {"allocate_pages", passes::allocate_pages},
    {"plan_launch", passes::plan_launch},
};

/// A chunk of a quantised matrix is whole packs (abi/dtype.h).
Status check_chunk(const LowerRequest& request) {
  const std::optional<uint32_t> chunk = request.config.gemv_k_chunk;
  if (!chunk || *chunk % abi::kPackedColumns == 0) return {};
  for (const auto& [name, shape] : request.graph->weights) {
    if (!abi::is_quantised(shape.dtype)) continue;
    const uint32_t below = *chunk / abi::kPackedColumns * abi::kPackedColumns;
    const uint32_t nearest =
        below == 0 || *chunk - below > abi::kPackedColumns / 2 ? below + abi::kPackedColumns : below;
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a multiple of {} columns for {} weights, found {}; the nearest is {}",
                             abi::kPackedColumns, abi::dtype_name(shape.dtype), *chunk, nearest),
                 "knob tiling.gemv.k_chunk", ""};
  }
  return {};
}

Status check_request(const LowerRequest& request) {
  if (const std::vector<KnobProblem> problems = check_knobs(request.config); !problems.empty()) {
    return Error{ErrorCode::kUsage, problems.front().message, "knob " + problems.front().path, ""};
  }
  AMK_TRY(check_chunk(request));
  const uint32_t context_max = request.graph->config.context_max;
  if (request.context == 0 || request.context > context_max) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a context from 1 to the model's {}, found {}", context_max, request.context), "",
                 ""};
  }
  if ((abi::dtypes::bit(request.kv_dtype) & abi::dtypes::kKvFloat) == 0) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected KV caches of f32, f16 or bf16, found {}", abi::dtype_name(request.kv_dtype)), "",
                 ""};
  }
  if (request.config.tokens_per_launch > request.context) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected at most {} tokens a launch, the context, found {}", request.context,
                             request.config.tokens_per_launch),
                 "knob tokens_per_launch", ""};
  }
  return {};
}

}  // namespace

Result<Program> lower(const LowerRequest& request, const PassDump& dump) {
  AMK_TRY(check_request(request));
  passes::LoweringState state(request);
  state.program.meta = {request.graph->name, request.context, schedule_id(request)};
  state.program.target = request.target->name;
  state.program.config = request.config;
  for (const Pass& pass : kPasses) {
    AMK_TRY(pass.run(state));
    if (dump) dump(pass.name, state.program);
  }
  return std::move(state.program);
}

std::string schedule_id(const LowerRequest& request) {
  std::string text = fmt::format("{}|{}|{}|{}", request.graph->name, request.target->name, request.context,
                                 config_to_json(request.config));
  // Nothing for f32, so that ids from before there was a choice stay.
  if (request.kv_dtype != abi::Dtype::kF32) text += fmt::format("|kv:{}", abi::dtype_name(request.kv_dtype));
  for (const auto& [name, shape] : request.graph->weights) {
    text += fmt::format("|{}:{}:{}x{}", name, abi::dtype_name(shape.dtype), shape.extent[0], shape.extent[1]);
  }
  return sha256_hex(text).substr(0, 12);
}

uint32_t default_context(const model::ModelConfig& config) { return std::min<uint32_t>(config.context_max, 2048); }

}  // namespace amk::schedule
