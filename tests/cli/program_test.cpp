#include <doctest/doctest.h>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

/// The program of toy, as JSON that can be broken.
Json toy_program(const Scratch& scratch) {
  const Json verdict =
      run_json({"compile", "toy", "--gpu", "h100", "--out", scratch.path().string(), "--positions", "1"}, 0);
  return Json::parse(read_text(verdict["bundle"].get<std::string>() + "/program.json"));
}

}  // namespace

TEST_CASE("validate accepts what lowering makes, with no findings") {
  CHECK(run_json({"validate", "toy"}, 0) == Json::array());
  CHECK(run_json({"validate", "toy-2l", "--gpu", "t4", "--set", "fusion_grouping=[]"}, 0) == Json::array());
  const Outcome words = run_amk({"validate", "toy"});
  CHECK(words.exit_code == 0);
  CHECK(words.out.starts_with("accepted"));
}

TEST_CASE("validate names the rule of a planted fault, its tasks and what would mend it") {
  const Scratch scratch;
  Json program = toy_program(scratch);
  Json& task = program["tasks"].back();
  REQUIRE(!task["waits"].empty());
  task["waits"] = Json::array();
  const std::string file = scratch.write("fault.json", program.dump());
  const Json findings = run_json({"validate", file}, 1);
  REQUIRE(findings.is_array());
  REQUIRE(!findings.empty());
  const std::set<std::string> keys = {"rule",   "family",      "message", "mend", "tasks", "labels",
                                      "buffer", "buffer_name", "begin",   "end",  "text"};
  std::set<std::string> rules;
  for (const Json& finding : findings) {
    CHECK(keys_of(finding) == keys);
    rules.insert(finding["rule"].get<std::string>());
  }
  CHECK(rules == std::set<std::string>{"hazard.read-write"});
  CHECK(findings[0]["tasks"][0] == program["tasks"].size() - 1);
  const Outcome words = run_amk({"validate", file});
  CHECK(words.exit_code == 1);
  CHECK(words.out.find("hazard.read-write: ") != std::string::npos);
  CHECK(words.out.find("mend: ") != std::string::npos);
  CHECK(words.out.find("rejected: ") != std::string::npos);

  const Json refused = run_json({"inspect", file}, 1);
  CHECK(keys_of(refused) == std::set<std::string>{"valid", "verdict", "findings"});
  CHECK(refused["valid"] == false);
  CHECK(refused["verdict"] == "rejected");
  CHECK(refused["findings"] == findings);
  const Outcome refused_words = run_amk({"inspect", file});
  CHECK(refused_words.exit_code == 1);
  CHECK(refused_words.out.empty());
  CHECK(refused_words.err.find("hazard.read-write: ") != std::string::npos);
}

TEST_CASE("a threshold that is too low is found by name") {
  const Scratch scratch;
  Json program = toy_program(scratch);
  for (Json& task : program["tasks"]) {
    if (task["waits"].empty() || task["waits"][0]["threshold"] < 2) continue;
    task["waits"][0]["threshold"] = task["waits"][0]["threshold"].get<uint32_t>() - 1;
    break;
  }
  const Json findings = run_json({"validate", scratch.write("fault.json", program.dump())}, 1);
  CHECK(findings.front()["rule"] == "counter.threshold");
}

TEST_CASE("a file that is no program is bad input") {
  const Scratch scratch;
  const std::vector<std::string> texts = {"",
                                          "garbage",
                                          "[]",
                                          "{}",
                                          "null",
                                          "{\"ir_version\": 99}",
                                          std::string(100000, '['),
                                          std::string("\xff\xfe\x00\x01", 4)};
  for (const std::string& text : texts) {
    const std::string file = scratch.write("p.json", text);
    CAPTURE(text.substr(0, 20));
    for (const char* verb : {"validate", "inspect"}) {
      const Outcome outcome = run_amk({verb, file});
      CHECK(outcome.exit_code == 3);
      CHECK(outcome.out.empty());
    }
  }
  CHECK(run_amk({"validate", "no-such-file.json"}).exit_code == 3);
}

TEST_CASE("inspect describes a program with stable keys") {
  const Json document = run_json({"inspect", "toy-2l", "--gpu", "h100"}, 0);
  CHECK(keys_of(document) == std::set<std::string>{"model",         "gpu",           "schedule_id", "context",
                                                   "tasks",         "counters",      "waits",       "buffers",
                                                   "pages",         "scratch_bytes", "kv_bytes",    "weight_bytes",
                                                   "prediction",    "instructions",  "levels",      "sm_bytes",
                                                   "critical_path", "launch",        "listed",      "notes"});
  CHECK(keys_of(document["prediction"]) == std::set<std::string>{"latency_us", "latency_kind", "position", "floor_us",
                                                                 "wait_us", "stream_us", "bottleneck"});
  CHECK(document["prediction"]["latency_kind"] == "predicted");
  CHECK(keys_of(document["instructions"][0]) == std::set<std::string>{"instruction", "tasks", "weight_bytes", "flops"});
  CHECK(keys_of(document["levels"][0]) == std::set<std::string>{"level", "tasks", "sms", "weight_bytes", "example"});
  CHECK(keys_of(document["sm_bytes"]) == std::set<std::string>{"sms", "bytes_min", "bytes_max", "histogram"});
  CHECK(keys_of(document["critical_path"][0]) == std::set<std::string>{"task", "label", "sm"});
  CHECK(keys_of(document["launch"]) ==
        std::set<std::string>{"blocks", "threads_per_block", "stages", "stage_bytes", "activation_bytes", "smem_bytes",
                              "copies_in_flight", "tokens_per_launch", "stream_backend", "sync_protocol", "products"});
  CHECK(document["listed"].is_null());
  uint64_t by_instruction = 0;
  for (const Json& count : document["instructions"]) by_instruction += count["tasks"].get<uint64_t>();
  uint64_t by_level = 0;
  for (const Json& level : document["levels"]) by_level += level["tasks"].get<uint64_t>();
  uint64_t by_bin = 0;
  for (const Json& bin : document["sm_bytes"]["histogram"]) by_bin += bin["sms"].get<uint64_t>();
  CHECK(by_instruction == document["tasks"]);
  CHECK(by_level == document["tasks"]);
  CHECK(by_bin == document["sm_bytes"]["sms"]);
}

TEST_CASE("inspect lists a level, a queue or one task") {
  const Json whole = run_json({"inspect", "toy"}, 0);
  const Json level = run_json({"inspect", "toy", "--level", "1"}, 0)["listed"];
  CHECK(level.size() == whole["levels"][1]["tasks"]);
  for (const Json& task : level) CHECK(task["level"] == 1);
  const Json queue = run_json({"inspect", "toy", "--sm", "0"}, 0)["listed"];
  for (const Json& task : queue) CHECK(task["sm"] == 0);
  const Json task = run_json({"inspect", "toy", "--task", "0"}, 0)["listed"];
  REQUIRE(task.size() == 1);
  CHECK(keys_of(task[0]) == std::set<std::string>{"task", "label", "instruction", "level", "sm", "weight_bytes",
                                                  "flops", "waits", "signal", "reads", "writes"});
  CHECK(task[0]["instruction"] == "Embed");
  for (const char* option : {"--level", "--sm", "--task"})
    CHECK(run_amk({"inspect", "toy", option, "0"}).exit_code == 0);
}

TEST_CASE("propose lists every knob and predicts what turning each would do, the fastest first") {
  const Json document = run_json({"propose", "toy", "--gpu", "h100"}, 0);
  CHECK(keys_of(document) ==
        std::set<std::string>{"model", "gpu", "context", "incumbent", "campaign", "last_trace", "advice", "knobs",
                              "proposals", "notes"});
  CHECK(keys_of(document["incumbent"]) == std::set<std::string>{"schedule", "schedule_id", "tasks", "latency_us",
                                                                "latency_kind", "position", "floor_us", "wait_us",
                                                                "stream_us", "bottleneck", "levels"});
  std::set<std::string> paths;
  for (const Json& knob : document["knobs"]) {
    CHECK(keys_of(knob) == std::set<std::string>{"knob", "type", "default", "present", "min", "max", "step", "unit",
                                                 "values", "auto", "pass", "meaning", "addresses"});
    paths.insert(knob["knob"].get<std::string>());
  }
  double last = 0;
  bool refused = false;
  for (const Json& proposal : document["proposals"]) {
    CHECK(keys_of(proposal) ==
          std::set<std::string>{"knob", "value", "latency_us", "latency_kind", "change_pct", "schedule_id", "refused"});
    CHECK(paths.contains(proposal["knob"].get<std::string>()));
    CHECK(proposal["latency_us"].is_null() != proposal["refused"].is_null());
    refused = refused || !proposal["refused"].is_null();
    if (proposal["latency_us"].is_null()) continue;
    CHECK(!refused);  // those without a latency stand last
    CHECK(proposal["latency_us"] >= last);
    last = proposal["latency_us"];
  }
  CHECK(refused);
}

TEST_CASE("a proposal that is taken has the latency that was predicted for it") {
  const Json proposals = run_json({"propose", "toy-2l", "--gpu", "h100"}, 0)["proposals"];
  const Json& worst =
      *std::find_if(proposals.begin(), proposals.end(), [](const Json& p) { return p["change_pct"] > 1; });
  const std::string set = worst["knob"].get<std::string>() + "=" + worst["value"].dump();
  const Json taken = run_json({"eval", "toy-2l", "--gpu", "h100", "--positions", "1", "--set", set}, 0);
  CHECK(taken["latency_us"] == worst["latency_us"]);
  CHECK(taken["schedule_id"] == worst["schedule_id"]);
}

TEST_CASE("doctor describes any machine") {
  const Json document = run_json({"doctor"}, 0);
  CHECK(keys_of(document) == std::set<std::string>{"amk", "machine", "cuda", "gpus", "workspace", "cache", "targets",
                                                   "models", "abilities"});
  CHECK(document["machine"]["cores"] >= 1);
  CHECK(document["targets"].size() == 9);
  CHECK(run_amk({"doctor"}).exit_code == 0);
}
