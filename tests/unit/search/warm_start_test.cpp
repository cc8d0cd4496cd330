#include "search/warm_start.h"

#include <doctest/doctest.h>

#include <set>

#include "schedule/schedule_config_json.h"
#include "support/made_up_corpus.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

struct Bench {
  Prior prior = Prior::learn(corpus(), eval::LatencyKind::kMeasuredGpu, "h100").value();

  static Corpus corpus() {
    Corpus out = test::made_up_corpus();
    std::erase_if(out.trials, [](const CorpusTrial& of) { return of.about.shape->hidden == 2048; });
    return out;
  }
  static std::optional<ProgramFacts> outlook(const schedule::ScheduleConfig& config) {
    return test::made_up_facts(config, *test::made_up_header(2048).shape);
  }
  static Campaign begin(uint64_t seed) {
    Campaign out;
    out.header = test::made_up_header(2048);
    out.header.seed = seed;
    out.start = out.incumbent = {0, {}, "000000000000", test::made_up_latency_us({}, *out.header.shape), 10};
    return out;
  }
  static std::unique_ptr<Proposer> cold() {
    return make_walk({}, [](const auto& config) { return std::optional(outlook(config)->predicted_us); });
  }
  std::unique_ptr<Proposer> warm(const Campaign& campaign) {
    return make_warm_start({}, prior, outlook, make_walk({}, rank_by(prior, outlook, campaign.header)), 2);
  }
};

/// Takes a proposal through the made-up machine.
Proposal take(Proposer& proposer, Campaign& campaign) {
  const Proposal proposal = proposer.next(campaign).value().value();
  const auto number = static_cast<uint32_t>(campaign.trials.size() + 1);
  Trial trial = test::made_up_trial(number, proposal.config, campaign.header, campaign.incumbent.latency_us);
  trial.proposal = proposal;
  if (trial.outcome == Outcome::kKept) campaign.incumbent = incumbent_after(campaign.incumbent, trial);
  campaign.trials.push_back(trial);
  return proposal;
}

uint32_t trials_until(Proposer& proposer, Campaign campaign, double latency_us, uint32_t most) {
  while (campaign.trials.size() < most && campaign.incumbent.latency_us > latency_us) take(proposer, campaign);
  return static_cast<uint32_t>(campaign.trials.size());
}

}  // namespace

TEST_CASE("a warm start reaches what a cold search finds in 40 trials, in fewer: median of 10 seeds") {
  Bench bench;
  std::vector<double> cold_trials;
  std::vector<double> warm_trials;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Campaign cold = Bench::begin(seed);
    const auto walk = Bench::cold();
    while (cold.trials.size() < 40) take(*walk, cold);
    const double reached = cold.incumbent.latency_us * 1.005;
    cold_trials.push_back(trials_until(*Bench::cold(), Bench::begin(seed), reached, 40));
    const Campaign begun = Bench::begin(seed);
    warm_trials.push_back(trials_until(*bench.warm(begun), begun, reached, 200));
  }
  MESSAGE("cold ", eval::quantile(cold_trials, 0.5), " warm ", eval::quantile(warm_trials, 0.5));
  CHECK(eval::quantile(warm_trials, 0.5) < eval::quantile(cold_trials, 0.5));
}

TEST_CASE("the prior's trials come first and say so; every trial says what the prior expects; nothing comes twice") {
  Bench bench;
  Campaign campaign = Bench::begin(1);
  const auto warm = bench.warm(campaign);
  std::set<std::string> seen = {schedule::config_to_json({})};
  for (uint32_t i = 0; i < 24; ++i) {
    const Proposal proposal = take(*warm, campaign);
    CHECK((proposal.proposer == "prior") == (i < WarmStartOptions().seeds));
    CHECK(proposal.prior_us ==
          bench.prior.expected_us(proposal.config, *Bench::outlook(proposal.config), campaign.header));
    CHECK(seen.insert(schedule::config_to_json(proposal.config)).second);
  }
}

TEST_CASE("a campaign that is picked up, early or late, goes on as it would have") {
  Bench bench;
  Campaign whole = Bench::begin(7);
  Campaign cut = Bench::begin(7);
  const auto warm = bench.warm(whole);
  for (uint32_t i = 0; i < 20; ++i) {
    const Proposal one = take(*warm, whole);
    CHECK(one == take(*bench.warm(cut), cut));  // a new process each time
  }
}
