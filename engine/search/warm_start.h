// A search that begins where other campaigns left off: a prior seeds it, and ranks what the walk chooses from.
#pragma once

#include <memory>

#include "base/thread_pool.h"
#include "search/gate.h"
#include "search/prior.h"
#include "search/proposer.h"

namespace amk::search {

/// What a schedule comes to, or nothing where it cannot be.
using Outlook = std::function<std::optional<ProgramFacts>(const schedule::ScheduleConfig& config)>;

struct WarmStartOptions {
  uint32_t sample = 192;  ///< schedules that are drawn around the default, for the prior to choose among
  uint32_t seeds = 8;  ///< trials that the campaign begins with: the best ranked, of the sample and of other campaigns
  uint32_t knobs_max = 4;  ///< turned at once in the sample
};

/// Proposes the best ranked of a sample and of the prior's best schedules first, by the name "prior", as far as they
/// are expected to be faster than the start; after those what `then` says. Every proposal says what the prior expects
/// of it. What is proposed follows from the campaign's seed and trials, and from the prior. `prior` must
/// outlive it; `outlook` is called by `threads` threads at once (0: every core).
[[nodiscard]] std::unique_ptr<Proposer> make_warm_start(const WarmStartOptions& options, const Prior& prior,
                                                        Outlook outlook, std::unique_ptr<Proposer> then,
                                                        uint32_t threads);

/// A rank for the walk: the prior's, in the place of the cost model's alone. `prior` and `about` must outlive it.
[[nodiscard]] Rank rank_by(const Prior& prior, Outlook outlook, const CampaignHeader& about);

}  // namespace amk::search
