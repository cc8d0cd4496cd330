#include "search/tune_json.h"

#include <doctest/doctest.h>

#include "base/files.h"
#include "schedule/schedule_config_json.h"
#include "support/temp_directory.h"

namespace {

using namespace amk;
using namespace amk::search;

TunedAbout about(const std::string& model) { return {model, "h100", "a GPU", "stored", "f32", 64, 0}; }

TuneResult won(uint32_t pairs) {
  TuneResult out;
  out.winner.gate_up_pairs_ahead = pairs;
  out.gain = 0.95;
  out.trials.resize(2);
  out.trials[0].number = 1;
  out.trials[0].knob = "instruction_knobs.gate_up.pairs_ahead";
  out.trials[0].value = pairs;
  return out;
}

Workspace open(const std::filesystem::path& directory) {
  std::vector<std::string> notes;
  return Workspace::open(directory, notes).value();
}

class Nothing final : public Proposer {
 public:
  Result<std::optional<Proposal>> next(const Campaign&) override { return std::optional<Proposal>(); }
};

}  // namespace

TEST_CASE("a winner is found again by its model, and another model's where there is none") {
  const test::TempDirectory directory;
  const Instruction gate_up = find_instruction("gate_up").value();
  {
    const Workspace workspace = open(directory.path());
    const auto write = [&](const std::string& model, const TuneResult& result) {
      for (const TuneTrial& trial : result.trials)
        REQUIRE(append_tune_trial(workspace, about(model), gate_up, trial).ok());
      REQUIRE(write_winner(workspace, about(model), gate_up, result).ok());
    };
    write("a", won(8));
    write("b", won(6));
    write("b", won(2));
    TuneResult lost = won(4);
    lost.start = lost.winner;
    write("a", lost);
  }
  const auto pairs = [&](const std::string& model) {
    const std::vector<Tuned> found = read_tuned(directory.path(), about(model)).value();
    REQUIRE(found.size() == 1);
    return found.front().model_name + " " + found.front().knobs.front().second;
  };
  CHECK(pairs("a") == "a 8");
  CHECK(pairs("b") == "b 2");
  CHECK(pairs("c") == "b 2");
  TunedAbout other = about("a");
  other.target = "a100";
  CHECK(read_tuned(directory.path(), other)->empty());
  const std::string lines = read_file(directory.path() / "tuned" / "trials.jsonl", 1 << 20).value();
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 8);
}

TEST_CASE("a file that is none of ours is refused, and stays") {
  const test::TempDirectory directory;
  std::filesystem::create_directories(directory.path() / "tuned");
  const std::filesystem::path path = directory.path() / "tuned" / "h100.json";
  for (const char* text : {"[]", "no", R"({"tuned": [{"instruction": "gate_up"}]})",
                           R"({"tuned": [{"instruction": "gate_up", "model": "a", "knobs": {"a.b": 1}}]})",
                           R"({"tuned": [{"instruction": "gate_up", "model": "a",
                               "knobs": {"instruction_knobs.gate_up.pairs_ahead": 99}}]})"}) {
    CAPTURE(text);
    REQUIRE(write_file_atomic(path, text).ok());
    const auto read = read_tuned(directory.path(), about("a"));
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == ErrorCode::kBadInput);
    CHECK(read_file(path, 1 << 20).value() == text);
  }
}

TEST_CASE("the loop gets the winner as its first proposal, once, on top of its incumbent") {
  Campaign campaign;
  campaign.incumbent.config.pipelining_depth = 7;
  const std::vector<Tuned> tuned = {{"gate_up", "a", {{"instruction_knobs.gate_up.pairs_ahead", "8"}}}};
  const auto proposer = propose_tuned_first(tuned, std::make_unique<Nothing>());
  const auto first = proposer->next(campaign);
  REQUIRE(first.ok());
  REQUIRE(first->has_value());
  CHECK((*first)->proposer == "tuned");
  CHECK((*first)->change == "instruction_knobs.gate_up.pairs_ahead=8");
  CHECK((*first)->config.pipelining_depth == 7);
  CHECK((*first)->note == "gate_up tuned on a");
  campaign.in_flight.push_back(**first);
  CHECK_FALSE(proposer->next(campaign)->has_value());
  campaign.in_flight.clear();
  Trial trial;
  trial.proposal = **first;
  campaign.trials.push_back(trial);
  CHECK_FALSE(proposer->next(campaign)->has_value());
  campaign.trials.clear();
  campaign.incumbent.config.gate_up_pairs_ahead = 8;
  CHECK_FALSE(proposer->next(campaign)->has_value());
}

TEST_CASE("the fragment is a schedule with the instruction's knobs and nothing else") {
  const Json fragment = knobs_fragment(find_instruction("gate_up").value(), won(6).winner);
  CHECK(fragment.dump() == R"({"instruction_knobs":{"gate_up":{"pairs_ahead":6,"batch_tiles":8}}})");
  CHECK(schedule::config_from_json(fragment.dump(), "fragment")->gate_up_pairs_ahead == 6);
}
