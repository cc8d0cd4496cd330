// Real lowerings with one thing changed, every class at every place: the validator accepts exactly what is sound.
#include <doctest/doctest.h>

#include <string>

#include "campaign/campaign.h"
#include "campaign/mutation.h"
#include "support/lowered.h"

using namespace amk;
using campaign::Known;
using campaign::Mutation;

namespace {

/// Draws at one place, where an edit leaves something open.
constexpr uint32_t kDraws = 2;

/// Every mutant of a class; what was found of them.
campaign::Tally sweep(campaign::Campaign& judge, const schedule::Program& original, Mutation mutation) {
  campaign::Tally tally;
  Random random(7);
  campaign::Sample sample;
  sample.origin = campaign::Origin::kMutant;
  for (const campaign::Site site : campaign::sites(original, campaign::info(mutation).sites)) {
    for (uint32_t draw = 0; draw < kDraws; ++draw) {
      sample.program = original;
      sample.forbidden = campaign::mutate(sample.program, mutation, site, random) == Known::kForbidden;
      const campaign::Judgement judgement = judge.judge(sample);
      CAPTURE(site.first);
      CAPTURE(site.second);
      CAPTURE(judgement.findings);
      REQUIRE(judgement.verdict == campaign::Verdict::kAgree);
      tally.add(judgement);
    }
  }
  return tally;
}

}  // namespace

TEST_CASE("of mutants of real lowerings, every class at every place, the validator accepts exactly the sound") {
  const test::LoweredModel model = test::open_model("toy");
  campaign::Campaign judge;
  campaign::Tally all;
  for (const bool fused : {true, false}) {
    CAPTURE(fused);
    const schedule::Program program = test::lower(model, "t4", fused ? schedule::ScheduleConfig{} : test::unfused());
    for (uint32_t i = 0; i < campaign::kMutationCount; ++i) {
      const auto mutation = static_cast<Mutation>(i);
      CAPTURE(campaign::info(mutation).name);
      const campaign::Tally tally = sweep(judge, program, mutation);
      MESSAGE(std::string(fused ? "fused, " : "unfused, "), std::string(campaign::info(mutation).name), ": ",
              tally.safe, " sound, ", tally.rejected, " refused");
      CHECK(tally.programs > 0);
      const bool sound_by_making = mutation == Mutation::kDoubledWait;
      CHECK((tally.rejected == 0) == sound_by_making);
      all.add(tally);
    }
  }
  CHECK(all.safe > 100);
  CHECK(all.unsafe > 1000);
  CHECK(all.undecided == 0);
}
