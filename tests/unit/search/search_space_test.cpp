#include "search/search_space.h"

#include <doctest/doctest.h>

#include <set>

using namespace amk;
using namespace amk::search;

TEST_CASE("every knob addresses a loss, every loss has a knob, and knob_loss.def names no other knob") {
  const std::vector<Knob> knobs = search_space({});
  std::set<std::string> names;
  for (const Knob& knob : knobs) {
    CAPTURE(knob.path);
    CHECK_FALSE(knob.losses.empty());
    names.insert(knob.path);
  }
  for (const eval::Bottleneck loss :
       {eval::Bottleneck::kStream, eval::Bottleneck::kCompute, eval::Bottleneck::kWait, eval::Bottleneck::kSkew})
    CHECK_FALSE(knobs_against(knobs, loss).empty());
#define AMK_KNOB_LOSS(path, loss, how) CHECK_MESSAGE(names.contains(path), path);
#include "search/knob_loss.def"
}

TEST_CASE("changed knobs have both values, and none where schedules are the same") {
  schedule::ScheduleConfig to;
  to.threads_per_block = 256;
  to.pipelining_depth = 8;
  const std::vector<KnobChange> changes = changed_knobs({}, to);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].path == "pipelining_depth");
  CHECK(changes[0].from == "\"auto\"");
  CHECK(changes[0].to == "8");
  CHECK(changed_knobs(to, to).empty());
  CHECK(describe_change({}, to) == "pipelining_depth=8, threads_per_block=256");
}
