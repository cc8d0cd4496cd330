#include "eval/verdict_json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "eval/evaluate.h"
#include "support/lowered.h"

using namespace amk;
using nlohmann::json;

namespace {

json parsed(const eval::Verdict& verdict) { return json::parse(eval::verdict_to_json(verdict)); }

eval::Evaluation evaluate(const std::string& name) {
  ThreadPool pool(2);
  const test::LoweredModel model = test::open_model(name);
  eval::EvaluateRequest request;
  request.checkpoint = &model.checkpoint;
  request.target = *schedule::find_target("h100");
  request.positions = 5;
  auto evaluation = eval::evaluate(request, pool);
  REQUIRE(evaluation.ok());
  return std::move(evaluation).value();
}

}  // namespace

TEST_CASE("a verdict has every key that is promised, and exactly those") {
  const std::set<std::string> promised = {"valid",          "verdict",    "findings",     "correct",  "max_abs_err",
                                          "top1_agreement", "latency_us", "latency_kind", "floor_us", "pct_of_floor",
                                          "schedule_id",    "tasks",      "weight_mb",    "model",    "gpu",
                                          "device",         "fault",      "notes"};
  const std::set<std::string> further = {"tolerance", "compared_positions", "repeatable", "latency_position"};
  for (const eval::Verdict& verdict : {eval::Verdict{}, evaluate("toy").verdict}) {
    std::set<std::string> keys = promised;
    keys.insert(further.begin(), further.end());
    const json object = parsed(verdict);
    for (const auto& [key, value] : object.items()) CHECK_MESSAGE(keys.erase(key) == 1, key);
    CHECK(keys.empty());
  }
}

TEST_CASE("the verdict of a good schedule says what was established and how") {
  const json verdict = parsed(evaluate("toy").verdict);
  CHECK(verdict["valid"] == true);
  CHECK(verdict["verdict"] == "accepted");
  CHECK(verdict["findings"] == json::array());
  CHECK(verdict["correct"] == true);
  CHECK(verdict["repeatable"] == true);
  CHECK(verdict["compared_positions"] == 5);
  CHECK(verdict["top1_agreement"] == 1.0);
  CHECK(verdict["max_abs_err"].get<double>() <= verdict["tolerance"].get<double>());
  CHECK(verdict["latency_kind"] == "predicted");
  CHECK(verdict["latency_us"].get<double>() >= verdict["floor_us"].get<double>());
  CHECK(verdict["pct_of_floor"].get<double>() > 0);
  CHECK(verdict["pct_of_floor"].get<double>() <= 100);
  CHECK(verdict["model"] == "toy");
  CHECK(verdict["gpu"] == "h100");
  CHECK(verdict["device"] == "cpu");
  CHECK(verdict["notes"].size() == 1);
  // All of the checkpoint is streamed but for the rows of the embedding table other than the token's; a norm's weights
  // are read by every task that normalises.
  const test::LoweredModel toy = test::open_model("toy");
  CHECK(verdict["weight_mb"].get<double>() * 1e6 >= static_cast<double>(toy.checkpoint.weight_bytes()) - 255 * 64 * 4);
}

TEST_CASE("what was not established is null, and what is no number never appears as one") {
  const json nothing = parsed({});
  for (const char* key : {"max_abs_err", "tolerance", "top1_agreement", "latency_us", "latency_kind", "pct_of_floor"})
    CHECK_MESSAGE(nothing[key].is_null(), key);
  CHECK(nothing["verdict"] == "unproven");
  eval::Verdict verdict;
  verdict.compared_positions = 1;
  verdict.max_abs_err = std::numeric_limits<double>::quiet_NaN();
  verdict.tolerance = INFINITY;
  CHECK(parsed(verdict)["max_abs_err"].is_null());
  CHECK(parsed(verdict)["tolerance"].is_null());
  CHECK(parsed(verdict)["correct"] == false);
}

TEST_CASE("a rejected program's findings name rule, tasks and bytes, and there is no latency") {
  const test::LoweredModel model = test::open_model("toy");
  schedule::Program program = test::lower(model);
  for (schedule::Task& task : program.tasks) {
    if (!task.waits.empty()) {
      task.waits.clear();
      break;
    }
  }
  const eval::Verdict verdict = eval::verdict_of(validator::validate(std::move(program)));
  const json whole = parsed(verdict);
  CHECK(whole["valid"] == false);
  CHECK(whole["verdict"] == "rejected");
  CHECK(whole["correct"] == false);
  CHECK(whole["latency_us"].is_null());
  REQUIRE(whole["findings"].size() == verdict.findings.size());
  REQUIRE(!whole["findings"].empty());
  for (const json& finding : whole["findings"]) {
    for (const char* key : {"rule", "family", "message", "mend", "tasks", "buffer", "begin", "end", "text"})
      CHECK_MESSAGE(finding.contains(key), key);
    CHECK(finding["text"].get<std::string>().find(finding["rule"].get<std::string>()) == 0);
  }
  CHECK(json::parse(eval::findings_to_json(verdict)) == whole["findings"]);
}

TEST_CASE("text that is not UTF-8 does not stop a verdict from being written") {
  eval::Verdict verdict;
  verdict.model = "a\xff\"b\n";
  verdict.notes.emplace_back("\xc3");
  CHECK(parsed(verdict)["model"].get<std::string>().find("\"b\n") != std::string::npos);
}
