#include "base/text.h"

#include <doctest/doctest.h>

#include <array>

using namespace amk;

TEST_CASE("the nearest name is offered, and none when nothing is near") {
  constexpr std::array<std::string_view, 3> names = {"round_robin", "load_balance", "measured"};
  CHECK(nearest_name("roundrobin", names) == "round_robin");
  CHECK(did_you_mean("mesured", names) == ", did you mean 'measured'");
  CHECK(did_you_mean("zzzzzzzzzzzz", names).empty());
}

TEST_CASE("bytes are printed with a unit and three significant digits") {
  CHECK(human_bytes(999) == "999 B");
  CHECK(human_bytes(1'500'000) == "1.5 MB");
  CHECK(human_bytes(2'472'000'000) == "2.47 GB");
}
