// Where candidates come from. A proposer only proposes: what it says goes through the gate like anything else.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "search/history.h"
#include "search/trial.h"

namespace amk::search {

/// A predicted latency, to rank candidates by before they are tried; nullopt where there is no such program.
using Rank = std::function<std::optional<double>(const schedule::ScheduleConfig& config)>;

class Proposer {
 public:
  Proposer() = default;
  Proposer(const Proposer&) = delete;
  Proposer& operator=(const Proposer&) = delete;
  virtual ~Proposer() = default;

  /// The next candidate; nullopt where nothing is left to try. An error is the proposer's failure, and costs the trial.
  virtual Result<std::optional<Proposal>> next(const Campaign& campaign) = 0;
};

/// How the built-in search goes about.
struct WalkOptions {
  double epsilon = 0.25;        ///< share of trials that take a neighbour at random
  uint32_t draw = 12;           ///< neighbours that are ranked for the others; the best one is taken
  uint32_t combine_after = 10;  ///< trials in a row without a keep, after which near gains are tried together
  double near_gain = 0.002;     ///< what a knob must win to be one; A/A trials come out up to 0.16% faster
  uint32_t restart_after = 16;  ///< trials in a row without a keep, after which it looks elsewhere
  uint32_t region_trials = 8;   ///< trials around one fresh place
  uint32_t region_knobs = 3;    ///< knobs that a fresh place has turned, from the incumbent
  uint32_t region_draw = 6;     ///< places that are ranked for each; the best one is taken
};

/// Epsilon-greedy over the neighbours of the incumbent, one knob turned. When that is stuck, what was faster by less
/// than a keep asks for is tried together; then what is around fresh places. What is proposed follows from the
/// campaign's seed and its trials alone: a campaign that is resumed, or replayed, goes on as it would have. Nothing is
/// proposed twice.
[[nodiscard]] std::unique_ptr<Proposer> make_walk(const WalkOptions& options, Rank rank);

/// How schedules are drawn to record a corpus from, and to look for a place to start.
struct SampleOptions {
  uint32_t knobs_max = 4;  ///< turned at once, 1 to so many
  uint32_t draws = 32;     ///< until one is plausible; after those the last is proposed all the same
};

/// Draws schedules around the default, without looking at what came of any: for recording a corpus. How many knobs are
/// turned, which and to what is uniform; sizes by powers of two. A function of the campaign's seed and trials alone;
/// nothing is proposed twice. `plausible` has no value where a schedule cannot be.
[[nodiscard]] std::unique_ptr<Proposer> make_sampler(const SampleOptions& options, Rank plausible);

/// A proposer outside of this program.
struct ExternalOptions {
  /// A command for /bin/sh -c; or, where it is one word that ends in .so or .so and a version, a shared library.
  std::string named;
  std::chrono::milliseconds time = std::chrono::seconds(60);  ///< for one answer
  size_t answer_bytes = size_t{1} << 20;
};

/// Asks a command, or a shared library (abi/proposer_abi.h) in a process of its own, for each candidate.
/// It gets the campaign's state as one JSON document (docs/research-loop.md),
/// and answers with {"schedule": {...}, "note"?: "..."} or {"done": true}.
/// Knobs that the schedule leaves out are the incumbent's.
/// kBadInput for a library that is not there or is none.
[[nodiscard]] Result<std::unique_ptr<Proposer>> make_external_proposer(const ExternalOptions& options);

}  // namespace amk::search
