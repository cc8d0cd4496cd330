// The prior: what other campaigns teach about schedules that were not tried here. It ranks and seeds, and decides
// nothing.
//
// Learned from a corpus by linear support vector regression: what each value of each knob adds to log(latency), the
// cost model's word among what it goes by. All is centred in each campaign, so that neither a slow machine nor a lucky
// start matters. A prior is of one kind of latency and of targets of one architecture; measured and predicted trials
// never meet in it. How much of it is taken, and its other parameter, are what orders shapes best that were held out;
// where nothing orders them better than the cost model, the cost model is all.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "search/corpus.h"

namespace amk::search {

/// What a prior was learned from, and how well that went.
struct PriorSummary {
  eval::LatencyKind kind = eval::LatencyKind::kPredicted;
  uint32_t architecture = 0;  ///< of its targets: compute capability x 10
  uint32_t trials = 0;
  uint32_t campaigns = 0;
  uint32_t shapes = 0;
  uint32_t left_out = 0;        ///< trials of this kind and architecture that nothing can be learned from
  std::string held_out;         ///< what was held out in turn: "shapes", "campaigns" or "trials"
  double rank_correlation = 0;  ///< on what was held out, weighted by trials
  double cost_model_rank_correlation = 0;
  double strength = 0;  ///< how much of what was learned is taken, the cost model being the rest; from 0 to 1
};

class Prior {
 public:
  /// Trials that a prior needs at least.
  static constexpr uint32_t kTrialsMin = 40;

  /// From the trials of `kind` for targets of the architecture of `target` (a name of target.def). kBadInput where they
  /// are too few: the message says how many there were, and why others were left out.
  static Result<Prior> learn(const Corpus& corpus, eval::LatencyKind kind, const std::string& target);

  Prior(Prior&&) noexcept;
  Prior& operator=(Prior&&) noexcept;
  ~Prior();

  /// What to rank schedules of one campaign by: microseconds, up to a factor that is the same for all of them.
  [[nodiscard]] double expected_us(const schedule::ScheduleConfig& config, const ProgramFacts& facts,
                                   const CampaignHeader& about) const;

  /// The three best schedules of each model that it knows: first the best of each, then the second best of each.
  [[nodiscard]] const std::vector<schedule::ScheduleConfig>& best_schedules() const;

  /// 12 hex digits of a hash over what it was learned from: the same corpus gives the same prior.
  [[nodiscard]] const std::string& id() const;
  /// The lines that it was learned from: learning from them gives the same prior.
  [[nodiscard]] const std::string& snapshot() const;
  [[nodiscard]] const PriorSummary& summary() const;
  /// The summary in a sentence.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  explicit Prior(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::search
