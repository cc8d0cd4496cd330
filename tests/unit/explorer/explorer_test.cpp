// Programs made by hand, one of each flaw: the explorer finds that flaw, where it is, and no other.

#include "explorer/explorer.h"

#include <doctest/doctest.h>

#include <set>

#include "support/mini_program.h"

using namespace amk;
using explorer::Flaw;
using explorer::Truth;
using test::MiniProgram;

namespace {

struct Found {
  Truth truth;
  std::set<Flaw> flaws;
};

/// Every flaw of a program; with and without the reduction it must be safe, unsafe or unlawful alike.
Found explore(const schedule::Program& program) {
  explorer::Explorer explorer;
  const Truth reduced = explorer.explore(program, {}).truth;
  const explorer::Exploration& all = explorer.explore(program, {false, true});
  CHECK(reduced == all.truth);
  Found found{all.truth, {}};
  for (const explorer::Defect& defect : all.defects) {
    INFO(describe(defect));
    CHECK(found.flaws.insert(defect.flaw).second);
  }
  return found;
}

void check_flaws(const schedule::Program& program, Truth truth, const std::set<Flaw>& flaws) {
  const Found found = explore(program);
  CHECK(found.truth == truth);
  CHECK(found.flaws == flaws);
}

/// A vector filled on one SM and added to itself on another.
struct Pair : MiniProgram {
  BufferId x = vector("x");
  BufferId y = vector("y");
  TaskId first = fill(0, x);
  TaskId second = add(1, x, x, y);
};

}  // namespace

TEST_CASE("a consumer that waits for its producer is safe, in one interleaving") {
  Pair pair;
  pair.wait(pair.second, {pair.first});
  check_flaws(pair.program, Truth::kSafe, {});
  explorer::Explorer explorer;
  const explorer::Exploration& result = explorer.explore(pair.program);
  CHECK(result.steps == 4);
  CHECK(result.states == 0);
}

TEST_CASE("queue order is order enough") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  mini.fill(0, x);
  mini.add(0, x, x, y);
  check_flaws(mini.program, Truth::kSafe, {});
}

TEST_CASE("without the wait a byte is read before, and while, it is written") {
  const Pair pair;
  check_flaws(pair.program, Truth::kUnsafe, {Flaw::kUnwritten, Flaw::kTorn});
}

TEST_CASE("order is carried along a chain, and two waits for each other stop the pass") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const BufferId z = mini.vector("z");
  const TaskId a = mini.fill(0, x);
  const TaskId b = mini.add(1, x, x, y);
  const TaskId c = mini.add(2, x, y, z);
  mini.wait(b, {a});
  mini.wait(c, {b});
  check_flaws(mini.program, Truth::kSafe, {});
  mini.wait(a, {c});
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kDeadlock});
}

TEST_CASE("a task that waits for itself stops the pass") {
  MiniProgram mini;
  const TaskId a = mini.fill(0, mini.vector("x"));
  mini.wait(a, {a});
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kDeadlock});
}

TEST_CASE("a queue against a wait stops the pass") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const TaskId late = mini.add(0, x, x, y);
  const TaskId early = mini.fill(0, x);
  mini.wait(late, {early});
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kDeadlock});
}

TEST_CASE("a wait for more than there is never ends") {
  Pair pair;
  pair.wait(pair.second, {pair.first});
  pair.program.tasks[1].waits[0].threshold = 2;
  check_flaws(pair.program, Truth::kUnsafe, {Flaw::kNeverFinished, Flaw::kUnlawful});
}

TEST_CASE("half a vector written is a vector not written") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const TaskId half = mini.fill(0, x, 0, 32);
  const TaskId sum = mini.add(1, x, x, y);
  mini.wait(sum, {half});
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kUnwritten});
  explorer::Explorer explorer;
  const explorer::Defect defect = explorer.explore(mini.program).defects.at(0);
  CHECK(defect.tasks == std::vector{sum});
  CHECK(defect.buffer == x);
  CHECK(defect.begin == 128);
  CHECK(defect.end == 256);
  CHECK(describe(defect) == "unwritten: tasks 1; buffer 2 bytes 128..256; after +0 -0");
}

TEST_CASE("a reader of the other half needs no wait") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  mini.fill(0, x, 0, 32);
  const TaskId right = mini.fill(1, x, 32, 32);
  const TaskId sum = mini.add(2, x, x, y, 32, 32);
  mini.wait(sum, {right});
  check_flaws(mini.program, Truth::kSafe, {});
}

TEST_CASE("tiles that overlap by one element are two writes of it") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  mini.fill(0, x, 0, 33);
  mini.fill(1, x, 32, 32);
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kWriteWrite});
}

TEST_CASE("memory that is written again must wait for its readers") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const BufferId z = mini.vector("z");
  const TaskId a = mini.fill(0, x);
  const TaskId reader = mini.add(1, x, x, y);
  const TaskId again = mini.fill(2, z);
  mini.wait(reader, {a});
  mini.wait(again, {a});
  check_flaws(mini.program, Truth::kSafe, {});
  mini.overlay(z, x);
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kTorn});
  mini.wait(again, {reader});
  check_flaws(mini.program, Truth::kSafe, {});
}

TEST_CASE("what another buffer left in a page is not what was asked for") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const BufferId z = mini.vector("z");
  const TaskId a = mini.fill(0, x);
  const TaskId b = mini.fill(0, y);
  const TaskId sum = mini.add(1, x, x, z);
  mini.wait(sum, {a, b});
  check_flaws(mini.program, Truth::kSafe, {});
  mini.overlay(y, x);
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kStale});
}

TEST_CASE("a task may not write what it reads, through whichever buffer") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  mini.fill(0, x);
  mini.add(0, x, x, y);
  mini.overlay(y, x);
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kTorn});
}

TEST_CASE("an output is complete, or it is a flaw") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  abi::Shape rows;
  rows.rank = 1;
  rows.extent[0] = 8;
  const BufferId y(static_cast<uint32_t>(mini.program.buffers.size()));
  mini.program.buffers.push_back({"y", abi::BufferKind::kOutput, rows, schedule::Space::kGlobal, ""});
  mini.fill(0, x);
  mini.product(0, x, y, 0, 4);
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kOutput});
  mini.product(0, x, y, 4, 4);
  check_flaws(mini.program, Truth::kSafe, {});
}

TEST_CASE("a wait for one of two producers is satisfied by the wrong one") {
  MiniProgram mini;
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const BufferId z = mini.vector("z");
  mini.fill(0, x);
  const TaskId other = mini.fill(1, y);
  const TaskId sum = mini.add(2, x, x, z);
  mini.program.tasks[other.index()].signal = CounterId(0);
  mini.program.tasks[sum.index()].waits = {{CounterId(0), 2}};
  check_flaws(mini.program, Truth::kSafe, {});
  mini.program.tasks[sum.index()].waits = {{CounterId(0), 1}};
  check_flaws(mini.program, Truth::kUnsafe, {Flaw::kUnwritten, Flaw::kTorn, Flaw::kUnlawful});
}

TEST_CASE("a wait for part of the producers that happens to be safe is still not lawful") {
  MiniProgram mini(1);
  const BufferId x = mini.vector("x");
  const BufferId y = mini.vector("y");
  const BufferId z = mini.vector("z");
  mini.fill(0, x);
  const TaskId other = mini.fill(0, y);
  const TaskId sum = mini.add(0, x, x, z);
  mini.program.tasks[other.index()].signal = CounterId(0);
  mini.program.tasks[sum.index()].waits = {{CounterId(0), 1}};
  check_flaws(mini.program, Truth::kUnlawful, {Flaw::kUnlawful});
}

TEST_CASE("more states than allowed is unknown, never safe") {
  MiniProgram mini(4);
  for (uint32_t sm = 0; sm < 4; ++sm) mini.fill(sm, mini.vector("x" + std::to_string(sm)));
  explorer::Explorer explorer;
  CHECK(explorer.explore(mini.program, {false, false, 10}).truth == Truth::kUnknown);
  CHECK(explorer.explore(mini.program, {false, false, 1000}).truth == Truth::kSafe);
}
