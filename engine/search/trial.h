// A trial: one candidate that went through the gate, and what came of it. What a campaign is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "eval/statistics.h"
#include "eval/verdict.h"
#include "schedule/schedule_config.h"

namespace amk::search {

/// How a trial ended. Only kKept changes the incumbent.
enum class Outcome : uint8_t {
  kKept,       ///< correct, and faster or simpler
  kReverted,   ///< correct or not looked at, and not better
  kRefused,    ///< no schedule: an illegal knob, a lowering that cannot be, a finding of the validator
  kIncorrect,  ///< its output is not the oracle's, or not repeatable
  kArtefact,   ///< its latency is under the floor; it is withheld
  kBroken,     ///< the machine failed while it ran, or had no room for it
};
inline constexpr const char* kOutcomeNames[] = {"kept", "reverted", "refused", "incorrect", "artefact", "broken"};
inline constexpr uint32_t kOutcomeCount = 6;

/// What was measured or predicted of a correct candidate. Of one kind: the two are never compared.
struct Measurement {
  eval::LatencyKind kind = eval::LatencyKind::kPredicted;
  double latency_us = 0;    ///< of the candidate; measured: the median of its launches in the blocks
  double incumbent_us = 0;  ///< of the incumbent, in the same blocks
  double floor_us = 0;      ///< measured: by the bandwidth that was measured; predicted: by the target's
  eval::Estimate ratio;     ///< candidate / incumbent; predicted: all three the same
  uint32_t blocks = 0;      ///< predicted: 0
  uint32_t position = 0;
  /// The trial that made the incumbent of the ratio; 0: the start's. None in trials from before it was kept, which were
  /// compared with the last one kept before them.
  std::optional<uint32_t> against{};

  bool operator==(const Measurement& other) const {
    return kind == other.kind && latency_us == other.latency_us && incumbent_us == other.incumbent_us &&
           floor_us == other.floor_us && ratio.value == other.ratio.value && ratio.low == other.ratio.low &&
           ratio.high == other.ratio.high && blocks == other.blocks && position == other.position &&
           against == other.against;
  }
};

/// What was found of a candidate's output.
struct Correctness {
  bool established = false;  ///< false: it was given up before it was run
  bool correct = false;
  bool repeatable = false;
  double max_abs_err = 0;
  double tolerance = 0;
  uint32_t compared_positions = 0;
  std::string device;  ///< that computed it

  bool operator==(const Correctness&) const = default;
};

/// A model's sizes: what is learned of a schedule depends on these, and not on the weights' values.
struct ModelShape {
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t intermediate = 0;
  uint32_t vocab = 0;
  bool tied_head = false;
  std::string stored;  ///< dtype of the weights as the checkpoint has them

  bool operator==(const ModelShape&) const = default;
};

/// What a schedule came to when it was lowered, and what the cost model says of it: enough to learn from the trial
/// where the model is not at hand.
struct ProgramFacts {
  double predicted_us = 0;
  double stream_us = 0;  ///< on the critical path
  double wait_us = 0;    ///< on the critical path
  double floor_us = 0;   ///< by the target's bandwidth
  uint32_t levels = 0;
  uint32_t tasks = 0;
  uint32_t attention_tasks = 0;
  uint32_t stages = 0;
  uint32_t stage_bytes = 0;
  uint32_t smem_bytes = 0;
  uint32_t copies_in_flight = 0;
  abi::StreamBackend stream_backend = abi::StreamBackend::kPlain;
  abi::Products products = abi::Products::kFloat32;

  bool operator==(const ProgramFacts&) const = default;
};

/// What somebody would like to be tried.
struct Proposal {
  schedule::ScheduleConfig config;
  std::string change;    ///< from the incumbent, in a few words: "pipelining_depth=8"
  std::string knob;      ///< that was turned; empty where it was several
  std::string proposer;  ///< "greedy", "random", "combined", "restart", "prior", "sample", "tuned", "command",
                         ///< "library", "recorded"
  std::string note;      ///< the proposer's own reason; may be empty
  std::optional<double> prior_us{};  ///< what a prior expected of it, up to a factor; only to rank by

  bool operator==(const Proposal&) const = default;
};

struct Trial {
  uint32_t number = 0;  ///< counted from 1; 0 is the schedule that the campaign starts from
  Proposal proposal;
  std::string schedule_id;  ///< empty where there is none
  std::string kernel_hash;  ///< of the kernel's sources and build; empty where there is no program
  Outcome outcome = Outcome::kReverted;
  std::string reason;  ///< one line: why it was kept, or what failed
  Correctness correctness;
  std::optional<Measurement> measurement;  ///< none for an artefact, and for what did not come so far
  double seconds = 0;                      ///< that the trial took
  std::optional<ProgramFacts> facts{};  ///< none where there is no program, and in campaigns from before they were kept

  bool operator==(const Trial&) const = default;
};

/// What candidates are compared with. Trial 0's, or that of the last trial that was kept.
struct Incumbent {
  uint32_t trial = 0;
  schedule::ScheduleConfig config;
  std::string schedule_id;
  double latency_us = 0;  ///< as it was established when it became the incumbent
  double floor_us = 0;
  /// Its latency over that of the fastest incumbent before it, at most: the chain of the upper ends of the ratios, at
  /// least 1. A simpler schedule may cost a little; this is what such keeps may have cost together.
  double behind_best = 1;

  bool operator==(const Incumbent&) const = default;
};

/// What candidates are compared with after a trial that was kept.
[[nodiscard]] Incumbent incumbent_after(const Incumbent& before, const Trial& kept);

/// What a campaign is about; all of it is fixed when it begins.
struct CampaignHeader {
  std::string model;  ///< as it was named
  std::string model_name;
  std::string target;
  std::string device;  ///< that runs and, where it is a GPU, measures
  std::string weights;
  std::string kv_dtype;
  uint32_t context = 0;
  uint32_t position = 0;  ///< that is measured
  eval::LatencyKind kind = eval::LatencyKind::kPredicted;
  uint64_t seed = 1;
  std::optional<ModelShape> shape{};  ///< none in campaigns from before it was kept
  std::string prior{};                ///< id of the prior that it goes by (search/prior.h); empty: none
  double min_gain = 0.01;             ///< of the incumbent's latency, that a keep must be worth
  uint32_t compared_positions = 8;    ///< of each candidate, with the oracle

  bool operator==(const CampaignHeader&) const = default;
};

/// "measured on GPU" or "predicted": beside every latency that is shown.
[[nodiscard]] constexpr const char* latency_kind_text(eval::LatencyKind kind) {
  return kind == eval::LatencyKind::kMeasuredGpu ? "measured on GPU" : "predicted";
}

/// Knobs that are not at their default: of two schedules that are equally fast, the one with fewer is kept.
[[nodiscard]] uint32_t complexity(const schedule::ScheduleConfig& config);

}  // namespace amk::search
