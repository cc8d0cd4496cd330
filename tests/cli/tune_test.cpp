// tune-instruction: what it lists, what it refuses, and a run on a worker that makes up times.
#include <doctest/doctest.h>

#include <filesystem>

#include "cli/child.h"
#include "support/environment.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

std::vector<std::string> tune_toy(const Scratch& scratch, std::vector<std::string> more = {}) {
  std::vector<std::string> out = {"tune-instruction", "gate_up",       "toy", "--context", "48",
                                  "--workspace",      scratch / "work"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("tune-instruction --list shows every instruction with build knobs, and takes nothing beside it") {
  const Json document = run_json({"tune-instruction", "--list"}, 0);
  CHECK(document["tunable"].size() == 4);
  CHECK(document["tunable"][0]["folder"] == "gemv");
  CHECK(document["tunable"][0]["knobs"][0]["knob"] == "instruction_knobs.gemv.pairs_ahead");
  CHECK(run_json({"tune-instruction", "--list", "gate_up"}, 2)["error"]["message"] ==
        "expected no OP beside --list, found one");
}

TEST_CASE("tune-instruction without a GPU says what is missing; unknown instructions get the nearest name") {
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const Environment fake("AMK_FAKE", "no-gpu");
  const Scratch scratch;
  const Json missing = run_json(tune_toy(scratch), 3);
  CHECK(missing["error"]["message"].get<std::string>().find("expected a GPU") == 0);
  CHECK(missing["error"]["hint"].get<std::string>().find("never predicted") != std::string::npos);
  CHECK(run_json(tune_toy(scratch, {"--gpu", "none"}), 3)["error"]["location"] == "--gpu");
  const Json misspelt = run_json({"tune-instruction", "gat_up", "toy"}, 2);
  CHECK(misspelt["error"]["message"].get<std::string>().find("did you mean 'gate_up'") != std::string::npos);
  CHECK(run_json({"tune-instruction", "gate_up"}, 2)["error"]["message"].get<std::string>().find("expected MODEL") ==
        0);
}

TEST_CASE("tune-instruction finds the knobs that are faster, writes them, and loop proposes them first") {
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const Environment fake("AMK_FAKE", "tuned");
  const Scratch scratch;
  const Json document = run_json(tune_toy(scratch, {"--write", scratch / "tuned.json"}), 0);
  CHECK(document["won"] == true);
  CHECK(document["whole_verified"] == true);
  CHECK(document["knobs"]["instruction_knobs.gate_up.pairs_ahead"] == 8);
  CHECK(document["ratio"].get<double>() < 0.99);
  CHECK(document["tasks"]["kept"].get<int>() > 0);
  for (const Json& trial : document["trials"]) CHECK(trial["times"]["best_us"].get<double>() > 0);
  CHECK(std::filesystem::exists(scratch / "work/tuned/h100.json"));
  CHECK(std::filesystem::exists(scratch / "work/tuned/trials.jsonl"));

  const Json eval =
      run_json({"eval", "toy", "--context", "48", "--positions", "2", "--schedule", scratch / "tuned.json"}, 0);
  CHECK(eval["correct"] == true);
  const Json loop = run_json(
      {"loop", "toy", "--context", "48", "--positions", "2", "--trials", "1", "--workspace", scratch / "work"}, 0);
  CHECK(loop["tried"][0]["proposer"] == "tuned");
  CHECK(loop["tried"][0]["change"] == "instruction_knobs.gate_up.pairs_ahead=8");
  CHECK(loop["tried"][0]["outcome"] == "kept");
}
