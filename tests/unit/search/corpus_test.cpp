#include "search/corpus.h"

#include <doctest/doctest.h>

#include "search/trial_json.h"
#include "support/made_up_corpus.h"
#include "support/temp_directory.h"
#include "support/trials.h"

using namespace amk;
using namespace amk::search;

namespace {

std::string line_of(uint32_t trial, const CampaignHeader& about = test::a_header()) {
  return test::made_up_line("night", about, test::a_trial(trial)).line;
}

}  // namespace

TEST_CASE("what a campaign writes is read as it was, with shape and program, or without where they are older") {
  const Corpus made = test::made_up_campaign("c", test::made_up_header(1024), 5, 1);
  const auto read = corpus_from_text(corpus_text(made), "here");
  REQUIRE_MESSAGE(read.ok(), (read.ok() ? "" : read.error().text()));
  REQUIRE(read->trials.size() == 5);
  for (size_t i = 0; i < 5; ++i) {
    CHECK(read->trials[i].trial == made.trials[i].trial);
    CHECK(read->trials[i].about == made.trials[i].about);
    CHECK(read->trials[i].line == made.trials[i].line);
  }
  Json old = Json::parse(line_of(1));
  old.erase("program");
  old.erase("prior_us");
  CHECK_FALSE(old["about"].contains("shape"));
  const auto older = corpus_from_text(old.dump() + "\n", "here");
  REQUIRE(older.ok());
  CHECK_FALSE(older->trials[0].about.shape);
  CHECK_FALSE(older->trials[0].trial.facts);
}

TEST_CASE("keys of a later version are passed over, and stay in the line") {
  Json later = Json::parse(line_of(1));
  later["moon"] = "full";
  later["about"]["tide"] = 3;
  const auto read = corpus_from_text(later.dump() + "\n\n" + line_of(2) + "\n", "here");
  REQUIRE_MESSAGE(read.ok(), (read.ok() ? "" : read.error().text()));
  REQUIRE(read->trials.size() == 2);
  CHECK(read->notes.empty());
  CHECK(corpus_text(*read).find("\"moon\":\"full\"") != std::string::npos);
}

TEST_CASE("a broken line is refused by its number, but the last, which a kill may have cut, is passed over") {
  for (const char* broken : {"nonsense", "{}", "[]", "{\"campaign\": 3}", "3"}) {
    CAPTURE(broken);
    const auto refused = corpus_from_text(line_of(1) + "\n" + broken + "\n" + line_of(2) + "\n", "file");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().location.starts_with("file:2"));
    const auto cut = corpus_from_text(line_of(1) + "\n" + broken, "file");
    REQUIRE(cut.ok());
    CHECK(cut->trials.size() == 1);
    CHECK(cut->notes.size() == 1);
  }
  Json knob = Json::parse(line_of(1));
  knob["schedule"]["pipelining_dept"] = 3;
  CHECK_FALSE(corpus_from_text(knob.dump() + "\n" + line_of(2) + "\n", "file").ok());
  const test::TempDirectory directory;
  CHECK_FALSE(read_corpus(directory.path() / "none").ok());
}

TEST_CASE("merging keeps each line once, in one order whatever came first, and refuses two versions of a trial") {
  const Corpus a = test::made_up_campaign("a", test::made_up_header(2048), 12, 1);
  const Corpus b = test::made_up_campaign("b", test::made_up_header(1024), 3, 2);
  const Corpus one = merge_corpora({a, b, a}).value();
  const Corpus other = merge_corpora({b, a}).value();
  CHECK(one.trials.size() == 15);
  CHECK(corpus_text(one) == corpus_text(other));
  CHECK(one.trials.front().campaign == "b");
  for (size_t i = 3; i < 15; ++i) CHECK(one.trials[i].trial.number == i - 2);
  // Two machines began a campaign of one name in one second.
  CampaignHeader twin = test::made_up_header(2048);
  twin.seed = 77;
  const Corpus both = merge_corpora({a, test::made_up_campaign("a", twin, 12, 5)}).value();
  CHECK(both.trials.size() == 24);
  for (size_t i = 0; i < 24; ++i) CHECK(both.trials[i].trial.number == i % 12 + 1);
  Corpus changed = a;
  changed.trials[4].trial.reason = "changed";
  changed.trials[4].line = test::made_up_line("a", changed.trials[4].about, changed.trials[4].trial).line;
  CHECK_FALSE(merge_corpora({a, changed}).ok());
}
