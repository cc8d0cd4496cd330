// The gate: lower, validate, build, verify, measure, decide. Every candidate goes through judge(), whoever proposed it.
//
// Owns the incumbent and the machine it is loaded in. Only judge() can make another schedule the incumbent, and only
// one that the validator accepted, whose output is the oracle's, and which is faster (or as fast and simpler) by
// search/decision.h. On a GPU both are timed in turns in the worker that verified them; without one, latencies are
// predicted, and say so. A gate is of one kind for as long as it lives: the two never meet.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "abi/tables.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/evaluate.h"
#include "eval/machine.h"
#include "model/checkpoint.h"
#include "search/decision.h"
#include "search/trial.h"

namespace amk::search {

struct GateOptions {
  const model::Checkpoint* checkpoint = nullptr;
  const abi::TargetInfo* target = nullptr;
  uint32_t context = 0;
  abi::Dtype kv_dtype = abi::Dtype::kF32;
  uint32_t position = 0;            ///< that is measured; below the context
  uint32_t compared_positions = 8;  ///< with the oracle
  uint64_t seed = 1;                ///< of the tokens that are fed
  KeepRules rules;
  /// Loads a program beside others; empty: the CPU verifies, and latencies are predicted.
  eval::MachineFactory machine;
  /// What the floor is computed from, bytes a second; needed with `machine`.
  std::optional<double> bandwidth;
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

class Gate {
 public:
  /// Takes the schedule that a campaign starts or goes on from through the gate, as `trial`. Its checkpoint and pool
  /// must outlive the gate. kBadInput where it is refused, incorrect or under the floor; otherwise as eval::evaluate().
  static Result<Gate> open(const GateOptions& options, const schedule::ScheduleConfig& config, uint32_t trial,
                           ThreadPool& pool);

  Gate(Gate&&) noexcept;
  Gate& operator=(Gate&&) noexcept;
  ~Gate();

  [[nodiscard]] const Incumbent& incumbent() const;
  [[nodiscard]] eval::LatencyKind kind() const;
  /// That computes outputs: "cpu", or the GPU's name.
  [[nodiscard]] const std::string& device() const;

  /// The whole way of one candidate. An Error only where the incumbent itself can no longer be run; the campaign then
  /// ends. Everything else is the trial's outcome.
  Result<Trial> judge(const Proposal& proposal, uint32_t number);

  /// Predicted latency of a schedule that would be accepted: to rank candidates before they are tried, never to keep
  /// one.
  [[nodiscard]] std::optional<double> rank(const schedule::ScheduleConfig& config) const;
  /// What a schedule comes to and what the cost model says of it, without asking the validator; nullopt where it cannot
  /// be lowered. May be called by several threads at once.
  [[nodiscard]] std::optional<ProgramFacts> outlook(const schedule::ScheduleConfig& config) const;

 private:
  struct Impl;
  explicit Gate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
