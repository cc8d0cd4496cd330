#include "search/report_charts.h"

#include <doctest/doctest.h>

#include <limits>

#include "support/xml_check.h"

using namespace amk;
using namespace amk::search;

TEST_CASE("ticks are round, inside, and few") {
  CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(round_ticks(871, 899, 6) == std::vector<double>{875, 880, 885, 890, 895});
  CHECK(round_ticks(-0.1, 0.1, 4).size() == 5);
  for (const double span : {1e-6, 0.37, 12.0, 99999.0}) CHECK(round_ticks(1, 1 + span, 8).size() <= 9);
}

TEST_CASE("charts are well-formed whatever is in them: nothing, one point, no interval, no spread, no floor") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Trajectory trajectory{100, 0, 0, {}, {}};
  CHECK(test::XmlCheck::problem(trajectory_svg(trajectory)) == "");
  trajectory = {100, 99, 3, {{1, 100, -kInfinity, kInfinity, false}, {2, 5000, 4000, 6000, false}}, {3}};
  const std::string drawn = trajectory_svg(trajectory);
  CHECK(test::XmlCheck::problem(drawn) == "");
  for (const std::string& all : {drawn, effects_svg(std::vector<EffectRow>{}), scatter_svg({}, "x", "y"),
                                 effects_svg(std::vector<EffectRow>{{"a", "<1>", {1, -kInfinity, kInfinity}, ""}}),
                                 scatter_svg(std::vector<ScatterPoint>{{1, 1, true}}, "x", "y"),
                                 roofline_svg(std::vector<RooflineBar>{{"start", 100, 0}}), timeline_svg({}, 0)}) {
    CHECK(test::XmlCheck::problem(all) == "");
    CHECK(all.find("nan") == std::string::npos);
    CHECK(all.find("inf\"") == std::string::npos);
  }
}

TEST_CASE("a trial that is far slower does not flatten the others: it is a mark at the edge") {
  Trajectory of{100, 50, 2, {{1, 98, 97, 99, true}, {2, 100000, 99000, 101000, false}}, {}};
  CHECK(trajectory_svg(of).find("100000") == std::string::npos);
}
