// Loop 1: one instruction's build knobs, tried alone on the device.
//
// A candidate is the instruction alone (schedule/isolate.h) with one knob turned. It runs the very kernel that the
// megakernel with those knobs runs: the same build, from the same cache. First its results must be the reference VM's
// on the same program, twice the same bits; then it is timed in turns with the best so far, and kept by the rules of
// search/decision.h. What wins must at last pass as the whole megakernel: its output is compared with the oracle's.
// Nothing is predicted here: without a GPU there is nothing to tune.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/build_knob.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "eval/machine.h"
#include "eval/verdict.h"
#include "model/checkpoint.h"
#include "schedule/isolate.h"
#include "search/decision.h"
#include "search/trial.h"

namespace amk::search {

/// An instruction that has build knobs, or all that share a body.
struct Instruction {
  std::string name;      ///< "NormGateUpSilu", or the folder of several: "gate_up"
  std::string folder;    ///< in opcode.def, and in the knobs' paths
  uint32_t opcodes = 0;  ///< bit by code; Attention and AttentionCombine always go together
  std::vector<const abi::BuildKnobInfo*> knobs;
};

/// By its name in opcode.def, in any case, or its folder's. kUsage, with the nearest name, for anything else and for
/// instructions that have no build knobs.
Result<Instruction> find_instruction(std::string_view name);

/// Every folder that has build knobs, in the order of instruction_knob.def.
[[nodiscard]] std::vector<Instruction> tunable_instructions();

struct TuneOptions {
  const model::Checkpoint* checkpoint = nullptr;
  const abi::TargetInfo* target = nullptr;
  uint32_t context = 0;
  abi::Dtype kv_dtype = abi::Dtype::kF32;
  uint32_t position = 0;            ///< that is measured; below the context
  uint32_t compared_positions = 8;  ///< of the whole megakernel, with the oracle
  uint64_t seed = 1;                ///< of the history, and of the tokens that are fed
  KeepRules rules;
  /// Loads `part`, built as `whole` is, beside others on the GPU.
  std::function<Result<std::unique_ptr<eval::Machine>>(const validator::ValidatedProgram& part,
                                                       const validator::ValidatedProgram& whole)>
      part_machine;
  eval::MachineFactory whole_machine;  ///< for the comparison with the oracle
  double bandwidth = 0;                ///< bytes a second: what the floor is computed from
  uint32_t trials = 0;                 ///< at most; 0: as many as there are
  double minutes = 0;                  ///< after which no trial is begun; 0: no limit
  const std::atomic<bool>* stop = nullptr;
  std::function<void(std::string_view step, uint32_t done, uint32_t of)> progress;
};

/// One value of one knob.
struct TuneTrial {
  uint32_t number = 0;  ///< counted from 1; 0 is the start
  std::string knob;     ///< its path; empty for the start
  uint32_t value = 0;
  Outcome outcome = Outcome::kReverted;
  std::string reason;
  std::string kernel_hash;                 ///< of the megakernel with these knobs: the part has the same
  eval::LoadReport build;                  ///< registers and spills of that kernel
  Correctness correctness;                 ///< of the instruction's results, against the reference VM
  std::optional<Measurement> measurement;  ///< of the part, not of a pass
  double seconds = 0;
};

struct TuneResult {
  schedule::ScheduleConfig start;
  schedule::ScheduleConfig winner;  ///< the start's where nothing was kept
  TuneTrial start_trial;
  std::vector<TuneTrial> trials;
  uint32_t kept_tasks = 0;   ///< of the instruction, in the part
  uint32_t other_tasks = 0;  ///< that make what those read
  uint32_t levels = 0;
  double gain = 1;        ///< product of the kept ratios, candidate / best so far: below 1 is faster
  std::string ended_by;   ///< "exhausted", "trials", "minutes", "failures" or "interrupted"
  eval::Verdict verdict;  ///< of the whole megakernel with the winner's knobs, where there is a winner
};

/// Tries every value of every knob, from the best so far, until none is better. kUsage where the schedule has no such
/// task, kBadInput where the start itself does not pass, or the winner not as the whole megakernel. `on_trial` is
/// called as each is judged, with the start and all trials so far; its error ends the run.
Result<TuneResult> tune(const TuneOptions& options, const Instruction& instruction,
                        const schedule::ScheduleConfig& start, ThreadPool& pool,
                        const std::function<Status(const TuneResult& so_far)>& on_trial = {});

}  // namespace amk::search
