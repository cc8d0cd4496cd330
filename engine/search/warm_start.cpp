#include "search/warm_start.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include "schedule/schedule_config_json.h"
#include "search/sampler.h"
#include "search/search_space.h"
#include "search/tried.h"

namespace amk::search {
namespace {

using schedule::ScheduleConfig;

struct Candidate {
  ScheduleConfig config;
  std::optional<double> expected_us;
};

class WarmStart final : public Proposer {
 public:
  WarmStart(const WarmStartOptions& options, const Prior& prior, Outlook outlook, std::unique_ptr<Proposer> then,
            uint32_t threads)
      : options_(options), prior_(prior), outlook_(std::move(outlook)), then_(std::move(then)), threads_(threads) {}

  Result<std::optional<Proposal>> next(const Campaign& campaign) override {
    if (trials_drawn(campaign) < options_.seeds) {
      if (std::optional<Proposal> seed = next_seed(campaign)) return seed;
    }
    AMK_ASSIGN_OR_RETURN(std::optional<Proposal> out, then_->next(campaign));
    if (!out) return out;
    if (const auto facts = outlook_(out->config))
      out->prior_us = prior_.expected_us(out->config, *facts, campaign.header);
    return out;
  }

 private:
  std::optional<Proposal> next_seed(const Campaign& campaign) {
    if (!ranked_) rank_all(campaign);
    const std::set<std::string> tried = tried_in(campaign);
    for (const Candidate& of : *ranked_) {
      if (tried.contains(schedule::config_to_json(of.config))) continue;
      return Proposal{of.config,     describe_change(campaign.incumbent.config, of.config), "", "prior", "",
                      of.expected_us};
    }
    return std::nullopt;
  }

  /// Those that are expected to be faster than the start, best first; of equals the one that was drawn first. It does
  /// not depend on trials.
  void rank_all(const Campaign& campaign) {
    const CampaignHeader& about = campaign.header;
    const std::optional<ProgramFacts> start = outlook_(campaign.start.config);
    const double start_us = start ? prior_.expected_us(campaign.start.config, *start, about) : HUGE_VAL;
    std::vector<Candidate> all;
    std::set<std::string> seen;
    const auto add = [&](const ScheduleConfig& config) {
      if (seen.insert(schedule::config_to_json(config)).second) all.push_back({config, std::nullopt});
    };
    for (const ScheduleConfig& config : prior_.best_schedules()) add(config);
    Random random(mix64(about.seed ^ 0x7072696f72ULL));
    for (uint32_t i = 0; i < options_.sample; ++i) add(sample_near({}, options_.knobs_max, random));
    std::atomic<size_t> next{0};
    ThreadPool pool(threads_);
    pool.run_on_all([&](size_t) {
      for (size_t i = next++; i < all.size(); i = next++) {
        if (const auto facts = outlook_(all[i].config))
          all[i].expected_us = prior_.expected_us(all[i].config, *facts, about);
      }
    });
    std::erase_if(all, [start_us](const Candidate& of) { return !of.expected_us || *of.expected_us >= start_us; });
    std::ranges::stable_sort(all, {}, [](const Candidate& of) { return *of.expected_us; });
    ranked_ = std::move(all);
  }

  WarmStartOptions options_;
  const Prior& prior_;
  Outlook outlook_;
  std::unique_ptr<Proposer> then_;
  uint32_t threads_;
  std::optional<std::vector<Candidate>> ranked_;
};

}  // namespace

std::unique_ptr<Proposer> make_warm_start(const WarmStartOptions& options, const Prior& prior, Outlook outlook,
                                          std::unique_ptr<Proposer> then, uint32_t threads) {
  return std::make_unique<WarmStart>(options, prior, std::move(outlook), std::move(then), threads);
}

Rank rank_by(const Prior& prior, Outlook outlook, const CampaignHeader& about) {
  return [&prior, outlook = std::move(outlook), &about](const ScheduleConfig& config) -> std::optional<double> {
    const std::optional<ProgramFacts> facts = outlook(config);
    return facts ? std::optional(prior.expected_us(config, *facts, about)) : std::nullopt;
  };
}

}  // namespace amk::search
