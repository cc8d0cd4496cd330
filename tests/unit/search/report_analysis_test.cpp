#include "search/report_analysis.h"

#include <doctest/doctest.h>

#include "support/campaigns.h"

using namespace amk;
using namespace amk::search;
using test::MadeUpCampaign;

TEST_CASE("a knob's effect comes from trials that turned it alone, against the incumbent of that time") {
  MadeUpCampaign made("c");
  made.tried(made.turned(8), 0.9);  // kept: what follows starts from here
  made.tried(made.turned(4), 1.05, 0.01).tried(made.turned(4), 1.07, 0.01);
  schedule::ScheduleConfig two = made.turned(4);
  two.threads_per_block = 256;
  made.tried(two, 1.2);
  made.failed(made.turned(32), Outcome::kRefused, "too deep");
  const std::vector<KnobEffect> effects = knob_effects(made.campaign);
  REQUIRE(effects.size() == 2);
  CHECK(effects[0].knob == "pipelining_depth");
  CHECK(effects[0].value == "8");
  CHECK(effects[0].kept == 1);
  CHECK(effects[0].ratio.value == doctest::Approx(0.9));
  CHECK(effects[1].value == "4");
  CHECK(effects[1].trials == 2);
  CHECK(effects[1].ratio.value == doctest::Approx(1.06));
  CHECK(effects[1].ratio.low == doctest::Approx(1.04));
  CHECK(effects[1].ratio.high == doctest::Approx(1.08));
}

TEST_CASE("reasons that differ in numbers only are one, the most frequent first, with their first trials") {
  MadeUpCampaign made("c");
  made.failed(made.turned(2), Outcome::kRefused, "launch.ring: expected at most 227 KiB, found 1,024.5");
  made.idle(2);
  made.failed(made.turned(3), Outcome::kRefused, "launch.ring: expected at most 99 KiB, found 3");
  made.failed(made.turned(4), Outcome::kRefused, "launch.ring: expected at most 99 KiB, found 4");
  made.failed(made.turned(5), Outcome::kBroken, "the worker crashed");
  made.tried(made.turned(9), 0.5);
  const std::vector<ReasonGroup> groups = reasons_against(made.campaign);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].reason == "launch.ring: expected at most # KiB, found #");
  CHECK(groups[0].trials == 3);
  CHECK(groups[0].examples == std::vector<uint32_t>{1, 4, 5});
  CHECK(groups[1].reason == "not #% faster");
  CHECK(groups[1].outcome == Outcome::kReverted);
  CHECK(groups[2].outcome == Outcome::kBroken);
}

TEST_CASE("a knob was turned by the last kept trial that changed it") {
  MadeUpCampaign made("c");
  made.tried(made.turned(8), 0.9).idle(1).tried(made.turned(6), 0.9);
  CHECK(turned_by(made.campaign, "pipelining_depth") == 3);
  CHECK(turned_by(made.campaign, "threads_per_block") == 0);
}
