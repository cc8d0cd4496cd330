// The gate: lower, validate, run, compare with the oracle; only then a latency.
//
// A machine on a GPU is held to more than the reference VM: its own logits are compared at the first positions and,
// after a drawn history, in the middle and at the end of the context; launches of several passes must do what single
// ones do; every comparison is made of two runs that give the same bits. Its latency is measured.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/machine.h"
#include "eval/verdict.h"
#include "model/checkpoint.h"
#include "schedule/lowering.h"

namespace amk::eval {

/// What an oracle is asked: logits of `tokens`, of each or of the last, behind a history that is drawn from a seed.
struct OracleQuestion {
  uint64_t history_seed = 0;
  uint32_t position = 0;  ///< that the history reaches to; 0: there is none
  std::vector<uint32_t> tokens;
  bool last_only = false;
  abi::Dtype kv_dtype = abi::Dtype::kF32;

  auto operator<=>(const OracleQuestion&) const = default;
};

/// What the oracle has answered about one checkpoint. It depends on nothing else, and takes long: whoever judges many
/// schedules of one checkpoint asks once. Thread-safe: where several ask, one computes and the others wait for it.
class OracleMemory {
 public:
  /// The answer; by `ask` where there is none yet. An error is not remembered.
  Result<std::vector<float>> answer(const OracleQuestion& question,
                                    const std::function<Result<std::vector<float>>()>& ask);

 private:
  std::mutex mutex_;
  std::map<OracleQuestion, std::vector<float>> answers_;
};

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
  MachineFactory machine = nullptr;        ///< what the program is run on; empty: the CPU
  /// Memory that the oracle's cache may take; a context whose history would take more is compared up to where it fits.
  uint64_t history_bytes_max = uint64_t{2} << 30;
  /// Answers about this very checkpoint, read and added to; null: the oracle is asked every time.
  std::shared_ptr<OracleMemory> oracle_memory = nullptr;
};

struct Evaluation {
  Verdict verdict;
  std::optional<validator::ValidatedProgram> program;  ///< present when it was accepted
  std::shared_ptr<Machine> machine;  ///< what it ran on, for further use; as long as its checkpoint and its pool live
};

/// kUsage and kUnsupported as lower(); kBadInput where weights cannot be bound. An invalid or incorrect program is no
/// error: the verdict says it. Nor is a machine that breaks while it runs: the verdict is not correct, and its notes
/// and its fault say why. Where the program cannot be loaded, the error is the factory's.
Result<Evaluation> evaluate(const EvaluateRequest& request, ThreadPool& pool);

/// The validator's part of a verdict.
[[nodiscard]] Verdict verdict_of(const validator::Validation& validation);

}  // namespace amk::eval
