// The flywheel's experiment: a search over trials that were recorded, cold and warm.
//
// The candidates are what was measured for a shape, and nothing else. Cold: the walk's choice (at random, or the best
// predicted of a few), without a prior. Warm: the same with a prior that was learned from the other shapes alone, which
// also chooses the first trials. What counts is how many trials each needs to reach the cold search's best.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "search/corpus.h"

namespace amk::search {

struct ReplayOptions {
  uint32_t seeds = 10;       ///< searches of each sort
  double share = 0.5;        ///< of the pool: trials of the cold search, whose best is then to be reached
  double tolerance = 0.005;  ///< a latency that is so little above that best has reached it
  double epsilon = 0.25;     ///< as WalkOptions
  uint32_t draw = 12;        ///< as WalkOptions
  uint32_t sample = 192;     ///< as WarmStartOptions: entries of the pool that the prior chooses the first trials among
  uint32_t prior_trials = 8;  ///< as WarmStartOptions::seeds
};

struct ReplayRun {
  uint64_t seed = 0;
  uint32_t cold_trials = 0;  ///< until the cold search's best, within the tolerance
  uint32_t warm_trials = 0;  ///< until the same latency
  double best_us = 0;        ///< of the cold search
};

/// One model, held out.
struct ReplayResult {
  std::string model;                  ///< group_of() its trials
  uint32_t pool = 0;                  ///< distinct schedules that have a latency
  std::string why_not;                ///< not empty: nothing could be compared, and why
  std::string prior;                  ///< what it was learned from
  double prior_rank_correlation = 0;  ///< with what was measured, over the pool
  double cost_model_rank_correlation = 0;
  std::vector<ReplayRun> runs;
  double cold_median = 0;
  double warm_median = 0;
};

/// Every model of `kind` in the corpus, in the order of their names. A function of the corpus and the options alone.
[[nodiscard]] std::vector<ReplayResult> replay(const Corpus& corpus, eval::LatencyKind kind,
                                               const ReplayOptions& options);

}  // namespace amk::search
