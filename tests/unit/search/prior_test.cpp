#include "search/prior.h"

#include <doctest/doctest.h>

#include <set>

#include "search/prior_features.h"
#include "search/ranking.h"
#include "support/made_up_corpus.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;
using eval::LatencyKind;

namespace {

Prior learned(const Corpus& corpus, LatencyKind kind = LatencyKind::kMeasuredGpu) {
  auto prior = Prior::learn(corpus, kind, "h100");
  REQUIRE_MESSAGE(prior.ok(), (prior.ok() ? "" : prior.error().text()));
  return std::move(*prior);
}

Corpus without_shape(uint32_t hidden) {
  Corpus out = test::made_up_corpus();
  std::erase_if(out.trials, [&](const CorpusTrial& of) { return of.about.shape->hidden == hidden; });
  return out;
}

/// How well what `prior` expects orders fresh schedules of a shape; the cost model in its place where it is null.
double order_of(const Prior* prior, uint32_t hidden) {
  const CampaignHeader about = test::made_up_header(hidden);
  std::vector<double> said;
  std::vector<double> came;
  Random random(99);
  for (int i = 0; i < 100; ++i) {
    const schedule::ScheduleConfig config = sample_near({}, 4, random);
    const ProgramFacts facts = test::made_up_facts(config, *about.shape);
    said.push_back(prior != nullptr ? prior->expected_us(config, facts, about) : facts.predicted_us);
    came.push_back(test::made_up_latency_us(config, *about.shape));
  }
  return rank_correlation(said, came).value();
}

}  // namespace

TEST_CASE("a prior orders a shape that it has never seen, better than the cost model does") {
  for (const uint32_t hidden : {1024U, 3072U}) {
    const Prior prior = learned(without_shape(hidden));
    CHECK(order_of(&prior, hidden) > 0.5);
    CHECK(order_of(&prior, hidden) > order_of(nullptr, hidden) + 0.15);
    CHECK(prior.summary().held_out == "shapes");
    CHECK(prior.summary().shapes == 3);
    CHECK(prior.summary().trials == 240);
    CHECK(prior.summary().strength > 0);
    CHECK(prior.summary().rank_correlation > prior.summary().cost_model_rank_correlation + 0.1);
  }
}

TEST_CASE("where nearly all trials are of one shape, they still teach: what is left without it would not") {
  std::vector<Corpus> all;
  for (const uint64_t seed : {1U, 2U, 3U, 4U})
    all.push_back(test::made_up_campaign("c" + std::to_string(seed), test::made_up_header(1024), 80, seed));
  all.push_back(test::made_up_campaign("small", test::made_up_header(2048), 6, 5));
  const Prior prior = learned(merge_corpora(std::move(all)).value());
  CHECK(prior.summary().strength > 0);
  CHECK(prior.summary().rank_correlation > prior.summary().cost_model_rank_correlation + 0.1);
  CHECK(order_of(&prior, 4096) > order_of(nullptr, 4096) + 0.15);
}

TEST_CASE("the same corpus gives the same prior, in whatever order its campaigns came; its snapshot gives it again") {
  const Corpus corpus = without_shape(1024);
  const Prior one = learned(corpus);
  const Prior same = learned(corpus_from_text(one.snapshot(), "snapshot").value());
  CHECK(one.id() == same.id());
  const CampaignHeader about = test::made_up_header(1024);
  Random random(5);
  for (int i = 0; i < 20; ++i) {
    const schedule::ScheduleConfig config = sample_near({}, 4, random);
    const ProgramFacts facts = test::made_up_facts(config, *about.shape);
    CHECK(one.expected_us(config, facts, about) == same.expected_us(config, facts, about));
  }
  CHECK(learned(without_shape(2048)).id() != one.id());
}

TEST_CASE("measured and predicted trials never mix, nor architectures") {
  Corpus both = test::made_up_corpus();
  const Corpus predicted = test::made_up_corpus(LatencyKind::kPredicted);
  const Prior alone = learned(both);
  both.trials.insert(both.trials.end(), predicted.trials.begin(), predicted.trials.end());
  const Prior of_both = learned(both);
  CHECK(of_both.id() == alone.id());
  CHECK(of_both.summary().trials == 320);
  CHECK(of_both.summary().kind == LatencyKind::kMeasuredGpu);
  CHECK(of_both.text().find("measured on GPU") != std::string::npos);
  CHECK_FALSE(Prior::learn(both, LatencyKind::kMeasuredGpu, "a100").ok());
  CHECK(Prior::learn(both, LatencyKind::kMeasuredGpu, "h200").ok());  // of the same architecture
}

TEST_CASE("from too little there is no prior, and it says how little") {
  const auto refused =
      Prior::learn(test::made_up_campaign("c", test::made_up_header(1024), 20, 1), LatencyKind::kMeasuredGpu, "h100");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("found 20") != std::string::npos);
  CHECK_FALSE(Prior::learn({}, LatencyKind::kMeasuredGpu, "h100").ok());
  Corpus old = test::made_up_corpus();
  for (CorpusTrial& of : old.trials) of.about.shape.reset();
  const auto shapeless = Prior::learn(old, LatencyKind::kMeasuredGpu, "h100");
  REQUIRE_FALSE(shapeless.ok());
  CHECK(shapeless.error().message.find("found 0, and 320") != std::string::npos);
}

TEST_CASE("where the cost model is right it is all there is") {
  Corpus exact = test::made_up_corpus();
  for (CorpusTrial& of : exact.trials) of.trial.facts->predicted_us = of.trial.measurement->ratio.value;
  for (CorpusTrial& of : exact.trials) of.trial.outcome = Outcome::kReverted;
  const Prior prior = learned(exact);
  CHECK(prior.summary().strength == 0);
  const CampaignHeader about = test::made_up_header(1024);
  const ProgramFacts facts = test::made_up_facts({}, *about.shape);
  CHECK(prior.expected_us({}, facts, about) == facts.predicted_us);
}

TEST_CASE("the best schedules of other models are passed on, the best of each first") {
  const Prior prior = learned(without_shape(1024));
  REQUIRE(prior.best_schedules().size() >= 3);
  for (size_t i = 0; i < 3; ++i) {
    const ModelShape shape = *test::made_up_header(2048).shape;
    CHECK(test::made_up_latency_us(prior.best_schedules()[i], shape) < test::made_up_latency_us({}, shape));
  }
}

TEST_CASE("every feature has one name, and a knob that is turned changes one") {
  const CampaignHeader about = test::made_up_header(1024);
  const ProgramFacts facts = test::made_up_facts({}, *about.shape);
  const std::vector<PriorFeature> before = prior_features({}, facts, about);
  std::set<std::string> names;
  for (const PriorFeature& feature : before) CHECK(names.insert(feature.name).second);
  CHECK(names.contains("knob:threads_per_block=512"));
  CHECK(names.contains("stored knob:threads_per_block=512"));
  Random random(3);
  for (int i = 0; i < 30; ++i) {
    schedule::ScheduleConfig config = sample_near({}, 1, random);
    // Of these it is the program's facts that count.
    config.stream_backend.reset();
    config.products.reset();
    CHECK((config == schedule::ScheduleConfig{}) == (prior_features(config, facts, about) == before));
  }
}
