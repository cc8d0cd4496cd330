#include "search/replay.h"

#include <doctest/doctest.h>

#include "support/made_up_corpus.h"

using namespace amk;
using namespace amk::search;

TEST_CASE("on a made-up machine a warm search reaches the cold one's best in fewer trials, median of 10 seeds") {
  const std::vector<ReplayResult> results = replay(test::made_up_corpus(), eval::LatencyKind::kMeasuredGpu, {});
  REQUIRE(results.size() == 4);
  for (const ReplayResult& of : results) {
    CAPTURE(of.model);
    REQUIRE_MESSAGE(of.why_not.empty(), of.why_not);
    CHECK(of.runs.size() == 10);
    CHECK(of.pool > 60);
    CHECK(of.warm_median < of.cold_median);
    CHECK(of.prior_rank_correlation > of.cost_model_rank_correlation);
    CHECK(of.prior.find("3 shapes") != std::string::npos);  // the one that is held out is not among them
  }
}

TEST_CASE("a replay gives the same numbers again, and says why where there is nothing to compare") {
  const Corpus corpus = test::made_up_corpus();
  const std::vector<ReplayResult> one = replay(corpus, eval::LatencyKind::kMeasuredGpu, {});
  const std::vector<ReplayResult> again = replay(corpus, eval::LatencyKind::kMeasuredGpu, {});
  for (size_t i = 0; i < one.size(); ++i) {
    for (size_t run = 0; run < one[i].runs.size(); ++run) {
      CHECK(one[i].runs[run].cold_trials == again[i].runs[run].cold_trials);
      CHECK(one[i].runs[run].warm_trials == again[i].runs[run].warm_trials);
    }
  }
  CHECK(replay(corpus, eval::LatencyKind::kPredicted, {}).empty());
  const auto alone =
      replay(test::made_up_campaign("c", test::made_up_header(1024), 60, 1), eval::LatencyKind::kMeasuredGpu, {});
  REQUIRE(alone.size() == 1);
  CHECK(alone[0].why_not.find("found 0") != std::string::npos);
}
