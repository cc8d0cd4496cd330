// loop and log: without a GPU, with predicted latencies; and with a worker that makes up measured ones.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/child.h"
#include "support/environment.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

std::vector<std::string> loop_in(const Scratch& scratch, std::vector<std::string> more) {
  std::vector<std::string> out = {"loop", "toy", "--gpu", "none", "--workspace", scratch / "work"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("loop tries, keeps and remembers; log tells; all latencies say that they are predicted") {
  const Scratch scratch;
  const Json document = run_json(loop_in(scratch, {"--trials", "30", "--schedule", R"({"fusion_grouping": []})"}), 0);
  CHECK(document["campaign"] == "toy-h100-predicted");
  CHECK(document["ended_by"] == "trials");
  CHECK(document["latency_kind"] == "predicted");
  CHECK(document["tried"].size() == 30);
  CHECK(document["speedup"].get<double>() > 1.01);
  for (const Json& trial : document["tried"]) {
    CHECK((trial["measurement"].is_null() || trial["measurement"]["latency_kind"] == "predicted"));
    CHECK_FALSE(trial["reason"].get<std::string>().empty());
  }
  const Json log = run_json({"log", "--workspace", scratch / "work"}, 0);
  CHECK(log["trials"] == document["tried"]);
  CHECK(log["incumbent"] == document["incumbent"]);
  const Outcome text = run_amk({"log", "--workspace", scratch / "work"});
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("every latency is predicted") != std::string::npos);
  CHECK(text.out.find("kept") != std::string::npos);
}

TEST_CASE("a campaign goes on where it was, and only with what it is about") {
  const Scratch scratch;
  run_json(loop_in(scratch, {"--trials", "4"}), 0);
  const Json more = run_json(loop_in(scratch, {"--trials", "3"}), 0);
  CHECK(more["tried"][0]["trial"] == 5);
  const auto refused = [&](std::vector<std::string> options) {
    std::vector<std::string> all = {"--campaign", "toy-h100-predicted", "--trials", "1"};
    all.insert(all.end(), options.begin(), options.end());
    const Json error = run_json(loop_in(scratch, all), 2);
    return error["error"]["message"].get<std::string>();
  };
  CHECK(refused({"--position", "7"}) == "expected the campaign's position, 0, found 7");
  CHECK(refused({"--seed", "9"}) == "expected the campaign's seed, 1, found 9");
  CHECK(refused({"--set", "pipelining_depth=8"}).starts_with("expected no --schedule or --set"));
}

TEST_CASE("a run that has a time uses it: only what is asked for ends it sooner") {
  const Scratch scratch;
  // 60 trials without a keep take a second or two here.
  const Json whole = run_json(loop_in(scratch, {"--campaign", "a", "--minutes", "0.1"}), 0);
  CHECK(whole["ended_by"] == "minutes");
  CHECK(whole["trials"].get<int>() > 5);
  const Json sooner = run_json(loop_in(scratch, {"--campaign", "b", "--minutes", "1", "--max-reverts", "5"}), 0);
  CHECK(sooner["ended_by"] == "reverts-in-a-row");
  const Json near = run_json(loop_in(scratch, {"--campaign", "c", "--overnight", "--pct-of-floor", "0.01"}), 0);
  CHECK(near["ended_by"] == "near-the-floor");
}

TEST_CASE("two seeds go two ways, one seed one way") {
  const auto changes = [](const char* seed) {
    const Scratch scratch;
    Json out = Json::array();
    const Json document = run_json(loop_in(scratch, {"--trials", "12", "--seed", seed}), 0);
    for (const Json& trial : document["tried"]) out.push_back(trial["change"]);
    return out;
  };
  CHECK(changes("5") == changes("5"));
  CHECK(changes("5") != changes("6"));
}

TEST_CASE("measured and predicted never meet: a campaign of the one is refused to the other") {
  const Scratch scratch;
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const Environment way("AMK_FAKE", "modelled");
  const std::vector<std::string> measured = {"loop",     "toy", "--gpu",    "h100", "--workspace", scratch / "w",
                                             "--trials", "6",   "--device", "cuda", "--campaign",  "one"};
  const Json document = run_json(measured, 0);
  CHECK(document["latency_kind"] == "measured-gpu");
  CHECK(document["about"]["device"] == "Fake H100 80GB HBM3");
  std::vector<std::string> predicted = measured;
  predicted[9] = "cpu";
  const Json error = run_json(predicted, 2);
  CHECK(error["error"]["message"].get<std::string>().starts_with("expected the campaign's device"));
}

TEST_CASE("a command's candidates go through the same gate") {
  const Scratch scratch;
  const Json document = run_json(loop_in(scratch, {"--trials", "1", "--proposer",
                                                   R"(echo '{"schedule": {"pipelining_depth": 8}, "note": "deep"}')"}),
                                 0);
  CHECK(document["tried"][0]["proposer"] == "command");
  CHECK(document["tried"][0]["change"] == "pipelining_depth=8");
  CHECK(document["tried"][0]["outcome"] == "reverted");
  const Json noted = run_json(loop_in(scratch, {"--campaign", "n", "--trials", "1", "--proposer",
                                                R"(printf '{"schedule": {}, "note": "\377"}')"}),
                              0);
  CHECK(noted["tried"][0]["outcome"] == "refused");
  CHECK(run_json(loop_in(scratch, {"--campaign", "l", "--proposer", "/nowhere/mine.so"}), 3)["error"]["location"] ==
        "/nowhere/mine.so");
  const Json failing = run_json(loop_in(scratch, {"--campaign", "f", "--proposer", "echo nonsense"}), 0);
  CHECK(failing["ended_by"] == "failures");
}

TEST_CASE("what a keep is worth is the campaign's: it goes on by the same rules, or is refused") {
  const Scratch scratch;
  const Json first = run_json(loop_in(scratch, {"--trials", "1", "--min-gain", "3", "--positions", "4"}), 0);
  CHECK(first["about"]["min_gain"] == 0.03);
  CHECK(first["about"]["compared_positions"] == 4);
  CHECK(run_json(loop_in(scratch, {"--trials", "1"}), 0)["about"]["min_gain"] == 0.03);
  const Json refused = run_json(loop_in(scratch, {"--trials", "1", "--min-gain", "1"}), 2);
  CHECK(refused["error"]["message"].get<std::string>().find("min_gain, 0.03, found 0.01") != std::string::npos);
}

TEST_CASE("log without a history says how one is made; of several campaigns it lists all") {
  const Scratch scratch;
  CHECK(run_json({"log", "--workspace", scratch / "none"}, 3)["error"]["code"] == "bad-input");
  for (const char* name : {"a", "b"}) run_json(loop_in(scratch, {"--trials", "2", "--campaign", name}), 0);
  const Json list = run_json({"log", "--workspace", scratch / "work"}, 0);
  REQUIRE(list.size() == 2);
  CHECK(list[1]["campaign"] == "b");
  CHECK(list[1]["trial_count"] == 2);
  CHECK(run_json({"log", "--workspace", scratch / "work", "--campaign", "c"}, 2)["error"]["code"] == "usage");
}

TEST_CASE("workers share a campaign: predicted on threads, measured on a GPU each, as many as there are") {
  const Scratch scratch;
  const Json predicted = run_json(loop_in(scratch, {"--trials", "12", "--workers", "3"}), 0);
  CHECK(predicted["workers"] == 3);
  CHECK(predicted["trials"] == 12);
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const Environment way("AMK_FAKE", "modelled");
  const Environment gpus("AMK_FAKE_GPUS", "2");
  const std::vector<std::string> measured = {"loop",        "toy",      "--gpu", "auto",      "--workspace",
                                             scratch / "w", "--trials", "6",     "--workers", "2"};
  const Json document = run_json(measured, 0);
  CHECK(document["latency_kind"] == "measured-gpu");
  CHECK(document["trials"] == 6);
  std::vector<std::string> three = measured;
  three.back() = "3";
  const Json refused = run_json(three, 3);
  CHECK(refused["error"]["message"] == "expected 3 GPUs that are the target h100, one a worker, found 2");
}

TEST_CASE("a command starts the workers: split into words, without a shell; it probes for the GPU, too") {
  const Scratch scratch;
  const Environment worker("AMK_WORKER", FAKE_WORKER_PROGRAM);
  const std::string log = scratch / "log with blanks";
  const std::string script = scratch.write("launch", "#!/bin/sh\necho started >> \"$1\"; shift\n\"$@\"\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  const std::vector<std::string> base = {"loop", "toy", "--gpu", "auto", "--workspace", scratch / "w", "--trials", "6"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  const std::string launch = script + " '" + log + "' /usr/bin/env AMK_FAKE=modelled";
  const Json document = run_json(with({"--workers", "2", "--worker-launch", launch}), 0);
  CHECK(document["latency_kind"] == "measured-gpu");
  CHECK(document["trials"] == 6);
  CHECK(read_text(log) == "started\nstarted\n");

  const Json none = run_json(with({"--worker-launch", "/usr/bin/env AMK_FAKE=no-gpu"}), 3);
  CHECK(none["error"]["message"].get<std::string>().find("found none: expected a GPU") != std::string::npos);
  CHECK(run_json(with({"--worker-launch", "srun 'open"}), 2)["error"]["location"] == "--worker-launch");
  CHECK(run_json(with({"--worker-launch", "srun", "--device", "cpu"}), 2)["error"]["location"] == "--device");
}

TEST_CASE("rounds of halving: every candidate is a trial that says at which rung it left") {
  const Scratch scratch;
  const Json document = run_json(loop_in(scratch, {"--trials", "12", "--halving", "6"}), 0);
  uint32_t left = 0;
  for (const Json& trial : document["tried"])
    left += trial["reason"].get<std::string>().starts_with("left at rung 1 of 2: ") ? 1 : 0;
  CHECK(left >= 8);
  CHECK(document["trials"] == 12);
}
