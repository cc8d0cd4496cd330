#include "eval/trace_svg.h"

#include <doctest/doctest.h>

#include "support/golden_file.h"
#include "support/lowered.h"
#include "support/traced.h"

using namespace amk;

TEST_CASE("a small trace is drawn as it was") {
  const test::TracedMini mini = test::traced_mini();
  const Result<eval::Timeline> timeline = eval::timeline_of(mini.pass());
  REQUIRE(timeline.ok());
  CHECK(test::is_golden("tests/golden/trace/mini.svg", eval::trace_svg(*timeline, "mini <1> & only", 400)));
}

TEST_CASE("the picture of a whole GPU keeps a sensible size") {
  const test::LoweredModel model = test::open_model("synthetic:smollm2-135m");
  const schedule::Program program = test::lower(model);
  const test::MadeUpTrace trace(program);
  const Result<eval::Timeline> timeline = eval::timeline_of(trace.pass());
  REQUIRE(timeline.ok());
  const std::string svg = eval::trace_svg(*timeline, "all of it");
  CHECK(svg.size() < 2'000'000);
  CHECK(svg.size() > 100'000);
}
