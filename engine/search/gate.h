// The gate: lower, validate, build, verify, measure, decide. Every candidate goes through decide(), whoever proposed
// it.
//
// Owns the incumbent and the machine it is loaded in. Only decide() can find that another schedule is to be the
// incumbent, and only one that the validator accepted, whose output is the oracle's, and which is faster (or as fast
// and simpler) by search/decision.h. On a GPU both are timed in turns in the worker that verified them; without one,
// latencies are predicted, and say so. A gate is of one kind for as long as it lives: the two never meet.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  uint64_t device_bytes = 0;  ///< the device's memory; 0: not known
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

/// A candidate on its way through a gate: its trial so far, and its program while that is loaded and verified.
class Contender {
 public:
  explicit Contender(Proposal proposal);
  Contender(Contender&&) noexcept;
  Contender& operator=(Contender&&) noexcept;
  ~Contender();

  /// What is known; how it ended, once over().
  [[nodiscard]] const Trial& trial() const { return trial_; }
  [[nodiscard]] bool over() const { return over_; }
  /// candidate / incumbent: the median over the blocks that Gate::try_out() took; nullopt before there are any.
  [[nodiscard]] std::optional<double> ratio() const;
  [[nodiscard]] bool loaded() const { return machine_ != nullptr; }
  /// Makes room for another. It is loaded and verified again when it is wanted.
  void unload() { machine_.reset(); }
  /// Ends its trial before the decision: reverted, for this reason.
  Trial give_up(std::string reason);

 private:
  friend class Gate;
  Trial trial_;
  bool over_ = false;
  std::shared_ptr<eval::Machine> machine_;
  uint64_t worker_epoch_ = 0;  ///< of the gate, when it was loaded
  double floor_us_ = 0;
  std::vector<double> ratios_;   ///< of the blocks of try_out()
  std::vector<double> ours_us_;  ///< the launches of those
  std::vector<double> theirs_us_;
};

/// One thread uses a gate at a time, but for rank().
class Gate {
 public:
  /// Takes the schedule that a campaign starts or goes on from through the gate, as `trial`. Its checkpoint and pool
  /// must outlive the gate. kBadInput where it is refused, incorrect or under the floor; otherwise as eval::evaluate().
  static Result<Gate> open(const GateOptions& options, const schedule::ScheduleConfig& config, uint32_t trial,
                           ThreadPool& pool);

  /// Another gate of the same campaign, with machines and threads of its own: at this one's incumbent, which it loads
  /// and verifies with its first trial. What the oracle answered is shared. Of `options` it takes the machine and the
  /// progress, the rest from this gate. Its pool must outlive it.
  [[nodiscard]] Gate beside(const GateOptions& options, ThreadPool& pool) const;

  Gate(Gate&&) noexcept;
  Gate& operator=(Gate&&) noexcept;
  ~Gate();

  [[nodiscard]] const Incumbent& incumbent() const;
  [[nodiscard]] eval::LatencyKind kind() const;
  /// That computes outputs: "cpu", or the GPU's name.
  [[nodiscard]] const std::string& device() const;

  /// The incumbent that another gate of the campaign has found: this one loads and verifies it with its next trial.
  /// Where latencies are predicted, its own is predicted anew.
  void adopt(const Incumbent& incumbent);

  /// The whole way of one candidate: decide() from its beginning.
  Result<Trial> judge(const Proposal& proposal, uint32_t number);

  /// What is left of a contender's way: lower, validate, build and verify it where it is not loaded, then the whole
  /// sequential decision, by blocks of its own. Those of try_out() do not count: it is here because they were good. A
  /// trial that is kept is this gate's incumbent from then on. An Error only where the incumbent itself is no longer
  /// what the gate found it to be; a worker that fails costs the trial, also while it loads the incumbent.
  Result<Trial> decide(Contender& contender, uint32_t number);

  /// Loads and verifies a contender where it is not loaded, and times it against the incumbent for so many blocks more.
  /// Its trial is over() where it is refused, incorrect, broken or an artefact. With measurements only. Errors as
  /// decide().
  Status try_out(Contender& contender, uint32_t blocks);

  /// Programs like the incumbent that the device has room for beside it, at least 1; by GateOptions::device_bytes.
  [[nodiscard]] uint32_t room() const;

  /// Predicted latency of a schedule that would be accepted: to rank candidates before they are tried, never to keep
  /// one. Any thread may ask.
  [[nodiscard]] std::optional<double> rank(const schedule::ScheduleConfig& config) const;
  /// The same of a contender, whose trial then names its schedule.
  [[nodiscard]] std::optional<double> predict(Contender& contender) const;
  /// What a schedule comes to and what the cost model says of it, without asking the validator; nullopt where it cannot
  /// be lowered. May be called by several threads at once.
  [[nodiscard]] std::optional<ProgramFacts> outlook(const schedule::ScheduleConfig& config) const;
  /// Trial::kernel_hash of a schedule, as this AMK makes it; empty where it cannot be lowered.
  [[nodiscard]] std::string kernel_of(const schedule::ScheduleConfig& config) const;

 private:
  struct Impl;
  explicit Gate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
