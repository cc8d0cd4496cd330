#include "search/orchestrate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "support/campaigns.h"

using namespace amk;
using namespace amk::search;
using test::MadeUpCampaign;

namespace {

/// A plan of those campaigns; an empty name is one that has not begun.
struct Planned {
  Plan plan;
  std::vector<const Campaign*> campaigns;

  Planned& add(const std::string& name, const MadeUpCampaign* campaign) {
    PlannedCampaign one;
    one.campaign = name;
    one.model = "toy";
    one.target = "h100";
    plan.campaigns.push_back(one);
    campaigns.push_back(campaign == nullptr ? nullptr : &campaign->campaign);
    return *this;
  }
  [[nodiscard]] std::vector<Standing> standings() const { return search::standings(plan, campaigns); }
  /// The order in which campaigns would be worked on, were each left when it was named.
  [[nodiscard]] std::vector<std::string> order() const {
    std::vector<Standing> left = standings();
    std::vector<std::string> out;
    while (const std::optional<size_t> next = next_campaign(left)) {
      out.push_back(left[*next].planned->campaign);
      left[*next].moved_on = Settled{};
    }
    return out;
  }
};

using Order = std::vector<std::string>;

}  // namespace

TEST_CASE("what has not begun comes first, in the order of the plan; then the largest expected gain") {
  const MadeUpCampaign far("far", 100, 10);
  const MadeUpCampaign near("near", 100, 80);
  CHECK(Planned().add("near", &near).add("new", nullptr).add("far", &far).add("newer", nullptr).order() ==
        Order{"new", "newer", "far", "near"});
}

TEST_CASE("of equals the first of the plan is taken") {
  const MadeUpCampaign a("a");
  const MadeUpCampaign b("b");
  CHECK(Planned().add("b", &b).add("a", &a).order() == Order{"b", "a"});
}

TEST_CASE("trials without a keep cost a campaign its turn, and trials that won give it back") {
  MadeUpCampaign tired("tired", 100, 10);
  const MadeUpCampaign fresh("fresh", 100, 40);
  CHECK(Planned().add("tired", &tired).add("fresh", &fresh).order() == Order{"tired", "fresh"});
  tired.idle(16);
  CHECK(Planned().add("tired", &tired).add("fresh", &fresh).order() == Order{"fresh", "tired"});
  tired.tried(tired.turned(9), 0.6).tried(tired.turned(10), 0.7);
  CHECK(Planned().add("tired", &tired).add("fresh", &fresh).order() == Order{"tired", "fresh"});
}

TEST_CASE("the numbers of a standing are those of the documented rule") {
  MadeUpCampaign campaign("c", 100, 25);
  campaign.tried(campaign.turned(9), 0.8).idle(3);
  const Standing of = Planned().add("c", &campaign).standings().front();
  CHECK(of.kept == 1);
  CHECK(of.reverts == 3);
  CHECK(of.speedup == doctest::Approx(1.25));
  CHECK(of.headroom == doctest::Approx(1 - 25.0 / 80));
  CHECK(of.won_per_trial == doctest::Approx((0.2 + of.headroom / 2) / (4 + 8)));
  CHECK(of.patience == doctest::Approx(std::exp2(-3.0 / 16)));
  CHECK(of.expected_gain == doctest::Approx(of.won_per_trial * of.patience));
  CHECK(why_next(of).find("3 trials in a row") != std::string::npos);
}

TEST_CASE("a trial is never expected to win more than what is above the floor") {
  MadeUpCampaign campaign("c", 1000, 99);
  campaign.tried(campaign.turned(9), 0.1);
  const Standing of = Planned().add("c", &campaign).standings().front();
  CHECK(of.expected_gain == doctest::Approx(of.headroom));
}

TEST_CASE("each rule that ends a campaign is named, and nothing is next where all have moved on") {
  MadeUpCampaign stuck("stuck");
  stuck.idle(60);
  const MadeUpCampaign near("near", 100, 96);
  MadeUpCampaign fast("fast", 100, 20);
  fast.tried(fast.turned(9), 0.5);
  Planned planned;
  planned.plan.speedup = 2;
  planned.add("stuck", &stuck).add("near", &near).add("fast", &fast).add("done", nullptr);
  planned.plan.campaigns.back().ended = {MoveOn::kExhausted, "nothing is left to try", 0};
  std::vector<MoveOn> rules;
  for (const Standing& of : planned.standings()) {
    REQUIRE(of.moved_on);
    CHECK_FALSE(of.moved_on->why.empty());
    rules.push_back(of.moved_on->rule);
  }
  CHECK(rules == std::vector<MoveOn>{MoveOn::kReverts, MoveOn::kNearFloor, MoveOn::kSpeedup, MoveOn::kExhausted});
  CHECK(planned.order().empty());
}

TEST_CASE("an end that was stored stands until something is kept after it") {
  MadeUpCampaign campaign("c");
  campaign.idle(4);
  Planned planned;
  planned.add("c", &campaign);
  planned.plan.campaigns.back().ended = {MoveOn::kExhausted, "nothing is left to try", 4};
  CHECK(planned.order().empty());
  campaign.idle(1);
  CHECK(planned.order().empty());
  campaign.tried(campaign.turned(40), 0.9);
  CHECK(planned.order() == Order{"c"});
}
