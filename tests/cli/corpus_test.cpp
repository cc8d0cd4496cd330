// corpus, and what loop learns from it: with predicted latencies.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

std::vector<std::string> with(std::vector<std::string> first, const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

/// Where there is something to find.
constexpr const char* kSlow = R"({"fusion_grouping": []})";

/// Two models, drawn and not searched.
std::string recorded(const Scratch& scratch) {
  for (const char* model : {"toy", "toy-2l"}) {
    run_json({"loop", model, "--gpu", "none", "--workspace", scratch / "work", "--sample", "--trials", "30"}, 0);
  }
  return scratch / "work" + "/corpus.jsonl";
}

std::vector<std::string> loop_in(const Scratch& scratch, const std::string& workspace,
                                 const std::vector<std::string>& more) {
  return with({"loop", "toy-2l", "--gpu", "none", "--workspace", scratch / workspace, "--context", "128", "--trials"},
              more);
}

bool any_holds(const Json& notes, const std::string& what) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const Json& note) { return note.get<std::string>().find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("a corpus is counted, merged and checked; a prior learned from it seeds a campaign, which keeps it") {
  const Scratch scratch;
  const std::string corpus = recorded(scratch);
  const Json counted = run_json({"corpus", corpus, corpus, "--check", "--replay", "--seeds", "3"}, 0);
  CHECK(counted["trials"] == 60);
  REQUIRE(counted["groups"].size() == 2);
  CHECK(counted["groups"][0]["model"] == "toy");
  CHECK(counted["groups"][0]["latency_kind"] == "predicted");
  CHECK(counted["groups"][0]["shape"].get<std::string>().starts_with("hidden 64, 1 layers"));
  CHECK(counted["groups"][0]["latency_us"]["best"] <= counted["groups"][0]["latency_us"]["p10"]);
  REQUIRE(counted["priors"].size() == 1);
  CHECK(counted["replay"].size() == 2);
  run_json({"corpus", "--workspace", scratch / "work", "--export", scratch / "all"}, 0);
  run_json({"corpus", scratch / "all", "--export", scratch / "again"}, 0);
  std::ifstream all(scratch / "all");
  std::ifstream again(scratch / "again");
  CHECK(std::string(std::istreambuf_iterator<char>(all), {}) == std::string(std::istreambuf_iterator<char>(again), {}));

  const Json warm =
      run_json(loop_in(scratch, "new",
                       {"24", "--prior", scratch / "all", "--campaign", "a", "--schedule", kSlow, "--epsilon", "1"}),
               0);
  const std::string id = warm["about"]["prior"];
  CHECK(id == counted["priors"][0]["prior"]);
  CHECK(any_holds(warm["notes"], "prior " + id));
  for (size_t i = 0; i < 9; ++i) {
    CHECK((warm["tried"][i]["proposer"] == "prior") == (i < 8));
    CHECK(warm["tried"][i]["prior_us"].is_number());
  }
  CHECK(warm["ranking"]["prior"].is_number());

  // Picked up after 4, it goes the same way; without what it learned from it says so.
  run_json(loop_in(scratch, "cut",
                   {"4", "--prior", scratch / "all", "--campaign", "a", "--schedule", kSlow, "--epsilon", "1"}),
           0);
  const Json rest = run_json(loop_in(scratch, "cut", {"5", "--campaign", "a", "--epsilon", "1"}), 0);
  for (size_t i = 0; i < 5; ++i) CHECK(rest["tried"][i]["schedule"] == warm["tried"][i + 4]["schedule"]);
  CHECK(run_json(loop_in(scratch, "cut", {"1", "--campaign", "a", "--prior", scratch / "all"}), 2)["error"]["code"] ==
        "usage");
  std::filesystem::remove_all(scratch / "cut" + "/priors");
  const Json without = run_json(loop_in(scratch, "cut", {"1", "--campaign", "a"}), 0);
  CHECK(any_holds(without["notes"], "goes on without its prior " + id));
  CHECK(run_json({"log", "--workspace", scratch / "new"}, 0)["ranking"] == warm["ranking"]);
}

TEST_CASE("auto learns from the workspace, and says why where it cannot; none does not; a named file must do") {
  const Scratch scratch;
  const Json first = run_json(loop_in(scratch, "work", {"5", "--campaign", "a"}), 0);
  CHECK_FALSE(first["about"].contains("prior"));
  const Json little = run_json(loop_in(scratch, "work", {"1", "--campaign", "b"}), 0);
  CHECK_FALSE(little["about"].contains("prior"));
  CHECK(any_holds(little["notes"], "no prior: "));
  CHECK(run_json(loop_in(scratch, "work", {"1", "--campaign", "c", "--prior", scratch / "work" + "/corpus.jsonl"}),
                 3)["error"]["code"] == "bad-input");
  recorded(scratch);
  CHECK(run_json(loop_in(scratch, "work", {"1", "--campaign", "d"}), 0)["about"].contains("prior"));
  CHECK_FALSE(
      run_json(loop_in(scratch, "work", {"1", "--campaign", "e", "--prior", "none"}), 0)["about"].contains("prior"));
}

TEST_CASE("a broken line is named by its number; a last one that is cut is passed over, which --check does not pass") {
  const Scratch scratch;
  const std::string corpus = recorded(scratch);
  std::ofstream(corpus, std::ios::app) << "{\"campaign\": \"cut";
  CHECK(run_json({"corpus", corpus}, 0)["notes"].size() == 1);
  run_json({"corpus", corpus, "--check"}, 1);
  std::ofstream(corpus, std::ios::app) << "\n{}\n";
  const Json refused = run_json({"corpus", corpus}, 3);
  CHECK(refused["error"]["location"].get<std::string>().ends_with("corpus.jsonl:61"));
  CHECK(run_json({"corpus", scratch / "none"}, 3)["error"]["code"] == "io");
}
