// What the explorer leaves out cannot matter: on random programs it finds the same as when it leaves out nothing.

#include <doctest/doctest.h>

#include <algorithm>

#include "campaign/mutation.h"
#include "campaign/small_program.h"
#include "explorer/explorer.h"

using namespace amk;
using campaign::Mutation;
using explorer::Truth;

namespace {

/// Edits after which a program still runs, those first that make waits which are no joins: only they branch.
constexpr Mutation kEdits[] = {Mutation::kLoweredWait, Mutation::kLoweredWait,    Mutation::kOtherCounter,
                               Mutation::kRaisedWait,  Mutation::kMergedCounters, Mutation::kWrongCounter,
                               Mutation::kDroppedWait, Mutation::kMovedTask,      Mutation::kReusedPage};

/// A small program with up to three edits; counters are merged first, so that a lowered wait is for some of many.
schedule::Program draw(Random& random) {
  schedule::Program program = campaign::small_program(random);
  for (uint64_t edits = random.below(4); edits > 0; --edits) {
    const Mutation mutation = edits == 3 ? Mutation::kMergedCounters : kEdits[random.below(std::size(kEdits))];
    const std::vector<campaign::Site> all = campaign::sites(program, campaign::info(mutation).sites);
    if (all.empty()) continue;
    const campaign::Site site = all[random.below(all.size())];
    if (mutation == Mutation::kLoweredWait && program.tasks[site.first].waits[site.second].threshold == 0) continue;
    campaign::mutate(program, mutation, site, random);
  }
  return program;
}

}  // namespace

TEST_CASE("with and without the reduction the explorer says the same of random programs") {
  Random random(20261122);
  explorer::Explorer explorer;
  uint32_t truths[4] = {};
  uint64_t steps_saved = 0;
  uint32_t branching = 0;
  for (uint32_t i = 0; i < 20000; ++i) {
    CAPTURE(i);
    const schedule::Program program = draw(random);
    const explorer::Exploration reduced = explorer.explore(program, {true, true});
    const explorer::Exploration full = explorer.explore(program, {false, true});
    REQUIRE(full.truth != Truth::kUnknown);
    REQUIRE(reduced.truth == full.truth);
    // What the one finds, the other finds: of flaws on the way, at least one of those that can be met.
    for (const explorer::Defect& defect : reduced.defects) {
      CAPTURE(describe(defect));
      REQUIRE(std::ranges::any_of(full.defects, [&](const auto& other) { return other.flaw == defect.flaw; }));
    }
    ++truths[static_cast<size_t>(full.truth)];
    steps_saved += full.steps - std::min(full.steps, reduced.steps);
    branching += reduced.states > 0 ? 1 : 0;
  }
  CHECK(truths[static_cast<size_t>(Truth::kSafe)] > 2000);
  CHECK(truths[static_cast<size_t>(Truth::kUnsafe)] > 2000);
  CHECK(truths[static_cast<size_t>(Truth::kUnlawful)] > 200);
  CHECK(branching > 500);
  CHECK(steps_saved > 500000);
}
