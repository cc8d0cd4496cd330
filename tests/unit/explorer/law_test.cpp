// Programs that break the IR's form: each says which sentence, and its neighbour one edit away breaks none.

#include "explorer/law.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "support/mini_program.h"

using namespace amk;
using test::MiniProgram;

namespace {

/// Two vectors, a task that fills one, and one that adds it up; then one edit.
std::string breach_after(const std::function<void(schedule::Program&)>& edit) {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  mini.fill(0, x);
  mini.add(0, x, x, y);
  edit(mini.program);
  const auto breach = explorer::breach_of_form(mini.program);
  return breach ? breach->what : "";
}

}  // namespace

TEST_CASE("a program in form breaks no sentence") {
  CHECK(breach_after([](schedule::Program&) {}).empty());
}

TEST_CASE("names are of records that exist") {
  CHECK(breach_after([](auto& p) { p.tasks[0].operands[2] = BufferId(9); }) == "a buffer that is named exists");
  CHECK(breach_after([](auto& p) { p.tasks[0].signal = CounterId(9); }) == "a counter that is named exists");
  CHECK(breach_after([](auto& p) { p.tasks[0].waits = {{CounterId(9), 1}}; }) == "a counter that is named exists");
  CHECK(breach_after([](auto& p) { p.placement.queues[0][0] = TaskId(9); }) == "a task that is named exists");
  CHECK(breach_after([](auto& p) { p.pages[0].buffer = BufferId(9); }) == "a buffer that is named exists");
  CHECK(breach_after([](auto& p) { p.target = "abacus"; }) == "the target is a known one");
}

TEST_CASE("a task stands in one queue, once") {
  const std::string expected = "a task stands in exactly one queue, once";
  CHECK(breach_after([](auto& p) { p.placement.queues[1].push_back(TaskId(1)); }) == expected);
  CHECK(breach_after([](auto& p) { p.placement.queues[0].pop_back(); }) == expected);
}

TEST_CASE("there are no more queues than SMs") {
  CHECK(breach_after([](auto& p) { p.placement.queues.resize(132); }).empty());
  CHECK(breach_after([](auto& p) { p.placement.queues.resize(133); }) ==
        "at most as many queues as the target has SMs");
}

TEST_CASE("ranges lie in their buffers") {
  const std::string expected = "a range is not empty and inside its buffer";
  CHECK(breach_after([](auto& p) { p.tasks[0].ranges.back().end = 257; }) == expected);
  CHECK(breach_after([](auto& p) { p.tasks[0].ranges.back().begin = 256; }) == expected);
  CHECK(breach_after([](auto& p) { p.tasks[0].ranges.back().span = abi::Span::kCurrent; }) ==
        "ranges of a KV cache, and no others, have a span");
}

TEST_CASE("what is read-only is not written") {
  CHECK(breach_after([](auto& p) { p.tasks[0].operands[2] = BufferId(1); }) ==
        "only outputs, activations and the current position may be written");
}

TEST_CASE("shapes, spaces and counters are as the tables say") {
  CHECK(breach_after([](auto& p) { p.buffers[2].shape.rank = 5; }) == "shapes have rank 1 to 4");
  CHECK(breach_after([](auto& p) { p.buffers[1].shape.extent[0] = uint64_t{1} << 62; }) ==
        "extents are positive and a buffer's size is addressable");
  CHECK(breach_after([](auto& p) { p.buffers[2].space = schedule::Space::kGlobal; }) ==
        "activations lie in scratch, all else in global");
  CHECK(breach_after([](auto& p) { p.counters[0].initial = 1; }) == "at the start of a pass every counter is 0");
}

TEST_CASE("an activation has one page, aligned, large enough and inside the scratch memory") {
  CHECK(breach_after([](auto& p) { p.pages.pop_back(); }) == "every activation has one page");
  CHECK(breach_after([](auto& p) { p.pages.push_back(p.pages[0]); }) == "every activation has one page");
  CHECK(breach_after([](auto& p) { p.pages[0].offset = 64; }) == "a page's offset and size are multiples of 128");
  CHECK(breach_after([](auto& p) { p.pages[0].size = 128; }) == "a page is at least its activation's size");
  CHECK(breach_after([](auto& p) { p.scratch_bytes -= 1; }) == "a page lies inside the scratch memory");
  CHECK(breach_after([](auto& p) { p.pages[0].last = TaskId(0); }) ==
        "a page names the lowest and the highest id of a task that accesses its activation");
}

TEST_CASE("a wait joins all producers, at least one") {
  MiniProgram mini;
  const TaskId a = mini.fill(0, mini.vector("x"));
  const TaskId b = mini.fill(1, mini.vector("y"));
  mini.wait(b, {a});
  CHECK(!explorer::breach_of_joins(mini.program));
  mini.program.tasks[1].waits[0].threshold = 0;
  CHECK(explorer::breach_of_joins(mini.program)->tasks == std::vector{b});
  mini.program.counters.push_back({0, "nobody"});
  mini.program.tasks[1].waits = {{CounterId(2), 0}};
  CHECK(explorer::breach_of_joins(mini.program).has_value());
}
