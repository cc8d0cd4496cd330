#include "search/sampler.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "schedule/schedule_config_json.h"
#include "search/proposer.h"
#include "search/search_space.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

TEST_CASE("draws are legal, turn at most what they may, reach every knob but one, and follow from the seed") {
  Random random(1);
  Random same(1);
  std::set<std::string> turned;
  for (int i = 0; i < 400; ++i) {
    const schedule::ScheduleConfig config = sample_near({}, 3, random);
    CHECK(schedule::check_knobs(config).empty());
    CHECK(complexity(config) <= 3);
    CHECK(config == sample_near({}, 3, same));
    for (const Knob& knob : search_space(config)) {
      if (knob.present != knob.default_value) turned.insert(knob.path);
    }
  }
  CHECK(turned.size() == search_space({}).size() - 1);
  CHECK_FALSE(turned.contains("tokens_per_launch"));
}

TEST_CASE("the sampler proposes what is plausible, nothing twice, and the same when it is picked up midway") {
  const auto deep = [](const schedule::ScheduleConfig& config) -> std::optional<double> {
    return config.pipelining_depth ? std::optional(1.0) : std::nullopt;
  };
  Campaign campaign;
  campaign.header = test::a_header();
  campaign.start = campaign.incumbent = test::a_start();
  std::set<std::string> seen;
  uint32_t plausible = 0;
  const auto sampler = make_sampler({}, deep);
  for (uint32_t i = 1; i <= 30; ++i) {
    const Proposal proposal = sampler->next(campaign).value().value();
    CHECK(proposal == make_sampler({}, deep)->next(campaign).value().value());
    CHECK(proposal.proposer == "sample");
    CHECK(seen.insert(schedule::config_to_json(proposal.config)).second);
    plausible += proposal.config.pipelining_depth ? 1 : 0;
    Trial trial;
    trial.number = i;
    trial.proposal = proposal;
    campaign.trials.push_back(trial);
  }
  CHECK(plausible >= 29);
}

TEST_CASE("what other lanes judge at this moment is not drawn again") {
  Campaign campaign;
  campaign.header = test::a_header();
  campaign.start = campaign.incumbent = test::a_start();
  const auto sampler = make_sampler({}, [](const schedule::ScheduleConfig&) { return std::optional(1.0); });
  std::set<std::string> seen;
  for (int i = 0; i < 8; ++i) {
    campaign.in_flight.push_back(sampler->next(campaign).value().value());
    CHECK(seen.insert(schedule::config_to_json(campaign.in_flight.back().config)).second);
  }
}
