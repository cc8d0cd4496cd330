// The gate: lower, validate, run, compare with the oracle; only then a latency.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/verdict.h"
#include "model/checkpoint.h"
#include "schedule/lowering.h"

namespace amk::eval {

struct EvaluateRequest {
  const model::Checkpoint* checkpoint = nullptr;
  const abi::TargetInfo* target = nullptr;
  schedule::ScheduleConfig config;
  uint32_t context = 0;     ///< 0: default_context()
  uint32_t positions = 16;  ///< how many positions are compared with the oracle, at least 1; at most the context
  uint64_t seed = 1;        ///< of the tokens that are fed
  schedule::PassDump dump;  ///< called after every lowering pass
  /// Called as the work goes on: what is done, how much of how much.
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
  abi::Dtype kv_dtype = abi::Dtype::kF32;  ///< what the KV caches hold: f32, f16 or bf16
};

struct Evaluation {
  Verdict verdict;
  std::optional<validator::ValidatedProgram> program;  ///< present when it was accepted
};

/// kUsage and kUnsupported as lower(); kBadInput where weights cannot be bound. An invalid or incorrect program is no
/// error: the verdict says it.
Result<Evaluation> evaluate(const EvaluateRequest& request, ThreadPool& pool);

/// The validator's part of a verdict.
[[nodiscard]] Verdict verdict_of(const validator::Validation& validation);

}  // namespace amk::eval
