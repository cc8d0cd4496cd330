#include "base/text.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace amk;

TEST_CASE("the nearest name is offered, and none when nothing is near") {
  constexpr std::array<std::string_view, 3> names = {"round_robin", "load_balance", "measured"};
  CHECK(nearest_name("roundrobin", names) == "round_robin");
  CHECK(did_you_mean("mesured", names) == ", did you mean 'measured'");
  CHECK(did_you_mean("zzzzzzzzzzzz", names).empty());
}

TEST_CASE("what is too long to be a mistyped name is compared with none") {
  const std::array<std::string, 2> names = {std::string(64, 'a'), std::string(1 << 20, 'a')};
  const std::array<std::string_view, 2> known = {names[0], names[1]};
  CHECK(nearest_name(std::string(64, 'a'), known) == names[0]);
  CHECK(nearest_name(std::string(65, 'a'), known).empty());
  CHECK(did_you_mean(names[1], known).empty());
}

TEST_CASE("bytes are printed with a unit and three significant digits") {
  CHECK(human_bytes(999) == "999 B");
  CHECK(human_bytes(1'500'000) == "1.5 MB");
  CHECK(human_bytes(2'472'000'000) == "2.47 GB");
}
