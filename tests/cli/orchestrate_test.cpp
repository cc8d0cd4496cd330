// orchestrate and autoresearch, with predicted latencies: a plan made, worked on, interrupted, resumed, recorded into.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

struct Plan {
  Scratch scratch;

  [[nodiscard]] std::vector<std::string> arguments(std::vector<std::string> verb, std::vector<std::string> more) const {
    verb.insert(verb.end(), {"--workspace", scratch / "work"});
    verb.insert(verb.end(), more.begin(), more.end());
    return verb;
  }
  [[nodiscard]] Json orchestrate(const char* action, std::vector<std::string> more = {}, int exit_code = 0) const {
    return run_json(arguments({"orchestrate", action}, std::move(more)), exit_code);
  }
  [[nodiscard]] Json work(std::vector<std::string> more, int exit_code = 0) const {
    return run_json(arguments({"autoresearch"}, std::move(more)), exit_code);
  }
  [[nodiscard]] std::filesystem::path file() const { return scratch.path() / "work" / "plans" / "default.json"; }
};

}  // namespace

TEST_CASE("a plan's campaigns are begun in order, worked on in slices, and reported on") {
  const Plan plan;
  const Json made = plan.orchestrate("plan", {"toy", "toy:int8", "--gpu", "none"});
  REQUIRE(made["campaigns"].size() == 2);
  CHECK(made["campaigns"][1]["weights"] == "int8");
  CHECK(made["campaigns"][0]["begun"] == false);
  CHECK(made["campaigns"][0]["latency_us"].is_null());
  const Json first = plan.orchestrate("next");
  CHECK(first["campaign"] == "toy-h100-predicted");
  CHECK(first["bottleneck"].is_null());
  CHECK(first["command"].get<std::string>().starts_with("amk loop toy --gpu h100 "));

  const Json night = plan.work({"--trials", "9", "--slice", "3"});
  CHECK(night["ended_by"] == "trials");
  CHECK(night["trials"] == 9);
  CHECK(night["slices"].size() == 3);
  CHECK(night["slices"][0]["campaign"] == made["campaigns"][0]["campaign"]);
  CHECK(night["slices"][1]["campaign"] == made["campaigns"][1]["campaign"]);
  CHECK(read_text(night["html"].get<std::string>()).ends_with("</html>\n"));
  CHECK(read_text(night["markdown"].get<std::string>()).find("# Plan default") == 0);

  const Json status = plan.orchestrate("status");
  CHECK(status["slices"] == 3);
  CHECK(status["campaigns"][0]["latency_kind"] == "predicted");
  CHECK(status["campaigns"][0]["trials"].get<int>() + status["campaigns"][1]["trials"].get<int>() == 9);
  const Json next = plan.orchestrate("next");
  CHECK(next["bottleneck"]["source"] == "cost-model");
  CHECK(next["knobs"].size() > 2);
  CHECK(next == plan.orchestrate("next"));
  CHECK(plan.orchestrate("report", {"--out", plan.scratch / "out"})["html"] == plan.scratch / "out/report.html");
  const Outcome text = run_amk(plan.arguments({"orchestrate", "status"}, {}));
  CHECK(text.exit_code == 0);
  CHECK(text.out.find("predicted") != std::string::npos);
}

TEST_CASE("autoresearch ends where every campaign has moved on, and names each rule; again it does nothing more") {
  const Plan plan;
  const Json night = plan.work({"toy", "toy-2l", "--gpu", "none", "--max-reverts", "4", "--slice", "5"});
  CHECK(night["ended_by"] == "all-moved-on");
  for (const Json& campaign : night["campaigns"]) {
    CHECK(campaign["moved_on"] == "reverts-in-a-row");
    CHECK(campaign["why"] == "4 trials in a row without a keep");
  }
  const Json again = plan.work({});
  CHECK(again["trials"] == 0);
  CHECK(again["ended_by"] == "all-moved-on");
  CHECK(plan.orchestrate("next")["campaign"].is_null());
}

TEST_CASE("killed at any instant, it goes on as it would have: no finished trial is lost, and none is made twice") {
  const std::vector<std::string> models = {"toy", "--gpu", "none", "--slice", "4"};
  const Plan whole;
  std::vector<std::string> twelve = models;
  twelve.insert(twelve.end(), {"--trials", "12"});
  static_cast<void>(whole.work(twelve));
  const Plan broken;
  for (const int milliseconds : {150, 400, 700}) {
    // Ended by its limit of time, in the middle of whatever it was doing.
    std::string command = "timeout -s KILL " + std::to_string(milliseconds / 1000.0) + " " AMK_PROGRAM;
    for (const std::string& word : broken.arguments({"autoresearch"}, twelve)) command += " '" + word + "'";
    static_cast<void>(std::system((command + " >/dev/null 2>&1").c_str()));
    // A plan that was being written then is beside the plan, never in its place.
    std::ofstream(broken.file().string() + ".tmp.AbCdEf") << "{\"plan\": \"defau";
  }
  const auto trials = [](const Plan& of) { return run_json(of.arguments({"log"}, {}), 0)["trials"]; };
  Json left = broken.orchestrate("plan", {"toy", "--gpu", "none"});
  const int done = left["campaigns"][0]["trials"].get<int>();
  if (done < 12) {
    std::vector<std::string> rest = models;
    rest.insert(rest.end(), {"--trials", std::to_string(12 - done)});
    static_cast<void>(broken.work(rest));
  }
  Json expected = trials(whole);
  Json found = trials(broken);
  for (Json* of : {&expected, &found}) {
    for (Json& trial : *of) trial.erase("seconds");
  }
  for (size_t i = 0; i < 12; ++i) CHECK(found[i] == expected[i]);
}

TEST_CASE("a proposal from outside is one trial of the gate, and is remembered, whatever comes of it") {
  const Plan plan;
  static_cast<void>(plan.orchestrate("plan", {"toy", "--gpu", "none"}));
  const auto record = [&](std::vector<std::string> more, int exit_code) {
    more.insert(more.begin(), {"--campaign", "toy-h100-predicted"});
    return plan.orchestrate("record", std::move(more), exit_code);
  };
  const Json first = record({"--schedule", R"({"pipelining_depth": 8})", "--note", "deep"}, 0);
  CHECK(first["trial"]["trial"] == 1);
  CHECK(first["trial"]["outcome"] == "reverted");
  CHECK(first["trial"]["proposer"] == "recorded");
  CHECK(first["trial"]["note"] == "deep");
  CHECK(first["trial"]["knob"] == "pipelining_depth");
  const Json refused = record({"--set", "pipelining_depth=32", "--set", "smem_bytes_per_block=16384"}, 1);
  CHECK(refused["trial"]["outcome"] == "refused");
  CHECK(record({"--schedule", R"({"pipelining": 8})"}, 2)["error"]["message"].get<std::string>().find("pipelining") !=
        std::string::npos);
  CHECK(record({}, 2)["error"]["code"] == "usage");
  CHECK(plan.orchestrate("record", {"--campaign", "x", "--set", "pipelining_depth=8"}, 2)["error"]["code"] == "usage");
  const Json log = run_json(plan.arguments({"log"}, {}), 0);
  CHECK(log["trials"].size() == 2);
}

TEST_CASE("a campaign with somebody else's commit is shown as such, and holds nobody up") {
  const Plan plan;
  static_cast<void>(plan.work({"toy", "toy:int8", "--gpu", "none", "--trials", "4", "--slice", "2"}));
  const std::string git =
      "git -c user.name=Someone -c user.email=s@e --git-dir '" + (plan.scratch / "work/history") + "' ";
  const std::string branch = "refs/heads/campaign/toy-h100-predicted";
  REQUIRE(std::system((git + "update-ref " + branch + " $(" + git + "commit-tree '" + branch + "^{tree}' -p " + branch +
                       " -m 'my own idea')")
                          .c_str()) == 0);
  const Json night = plan.work({"--trials", "3", "--slice", "3"});
  CHECK(night["ended_by"] == "trials");
  CHECK(night["trials"] == 3);
  CHECK(night["slices"][0]["campaign"] == "toy-i8g128-h100-predicted");
  CHECK(night["campaigns"][0]["unreadable"].get<std::string>().find("by Someone") != std::string::npos);
  CHECK(night["campaigns"][1]["unreadable"].is_null());
  CHECK_FALSE(night["html"].is_null());
  CHECK(plan.orchestrate("status")["campaigns"][1]["trials"].get<int>() == 5);
  CHECK(run_json(plan.arguments({"log"}, {}), 0).size() == 1);
  CHECK(run_json(plan.arguments({"report"}, {"--out", plan.scratch / "r"}), 0)["notes"][0].get<std::string>().find(
            "is passed over") != std::string::npos);
}

TEST_CASE("where every campaign fails the exit code says so") {
  const Plan plan;
  const std::filesystem::path model = plan.scratch.path() / "model";
  std::filesystem::create_directory_symlink(std::filesystem::absolute("models/shakespeare-llama-3m"), model);
  static_cast<void>(plan.orchestrate("plan", {model.string(), "--gpu", "none"}));
  std::filesystem::remove(model);
  const Json night = plan.work({"--trials", "2"}, 1);
  CHECK(night["trials"] == 0);
  CHECK(night["campaigns"][0]["moved_on"] == "failures");
}

TEST_CASE("what is not asked for rightly is refused by name") {
  const Plan plan;
  const auto message = [&](const char* action, std::vector<std::string> more, int exit_code = 2) {
    return plan.orchestrate(action, std::move(more), exit_code)["error"]["message"].get<std::string>();
  };
  CHECK(message("status", {}).starts_with("expected a plan, found none"));
  CHECK(message("plan", {}).starts_with("expected MODEL for a new plan"));
  CHECK(message("plan", {"toy", "toy"}).starts_with("expected models that differ"));
  CHECK(message("stats", {}) ==
        "expected one of plan, status, next, record, report, found 'stats', did you mean 'status'");
  CHECK(message("plan", {"toy", "--set", "pipelining_depth=8"}).starts_with("expected no --schedule or --set"));
  static_cast<void>(plan.orchestrate("plan", {"toy", "--gpu", "none"}));
  CHECK(message("status", {"--plan", "other"}) == "expected one of the plans default, found 'other'");
  CHECK(
      message("plan", {"toy", "--gpu", "none", "--position", "3"}).starts_with("expected campaign toy-h100-predicted"));
  std::ofstream(plan.file()) << "{\"plan\": \"defau";
  CHECK(message("status", {}, 3).starts_with("expected a plan as amk orchestrate writes it"));
}
