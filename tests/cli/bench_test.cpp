// bench and trace: what they say without a GPU, and, where there is one, that they run.
#include <doctest/doctest.h>

#include <filesystem>

#include "cli/child.h"

using namespace amk::test;
using Json = nlohmann::ordered_json;

namespace {

bool has_gpu() { return !run_json({"doctor"}, 0)["gpus"].empty(); }

}  // namespace

TEST_CASE("without a GPU, bench and trace end in exit code 3 and say so; with one, they measure") {
  const Scratch scratch;
  if (!has_gpu()) {
    for (const char* verb : {"bench", "trace"}) {
      const Json refused = run_json({verb, "toy"}, 3);
      CHECK(refused["error"]["code"] == "unsupported");
      CHECK(refused["error"]["message"].get<std::string>().starts_with("expected a GPU to measure on, found none"));
    }
    return;
  }
  const Json report = run_json(
      {"bench", "toy", "--rounds", "3", "--checked", "2", "--positions", "0,200", "--svg", scratch / "bench.svg"}, 0);
  CHECK(report["correct"] == true);
  REQUIRE(report["positions"].size() == 2);
  CHECK(report["positions"][1]["contenders"][0]["name"] == "megakernel");
  CHECK(read_text(scratch / "bench.svg").ends_with("</svg>\n"));
  const Json traced = run_json(
      {"trace", "toy", "--runs", "3", "--svg", scratch / "trace.svg", "--perfetto", scratch / "trace.json"}, 0);
  CHECK(traced["trace"]["levels"].size() > 5);
  CHECK(Json::parse(read_text(scratch / "trace.json"))["traceEvents"].size() > 100);
}

TEST_CASE("positions are numbers with commas between them") {
  for (const char* text : {"", ",", "1,", "a", "1;2", "1,,2", "-1", "99999999999"}) {
    CAPTURE(text);
    const Outcome outcome = run_amk({"bench", "toy", std::string("--positions=") + text});
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
  }
}

TEST_CASE("a schedule may be given as text instead of a file") {
  CHECK(run_json({"validate", "toy", "--schedule", R"({"pipelining_depth": 4})"}, 0) == Json::array());
  const Json eval = run_json({"inspect", "toy", "--schedule", R"({"pipelining_depth": 4})"}, 0);
  CHECK(eval["launch"]["stages"] == 4);
  const Outcome wrong = run_amk({"validate", "toy", "--schedule", R"({"pipelining_dept": 4})"});
  CHECK(wrong.exit_code != 0);
  CHECK(wrong.err.find("--schedule") != std::string::npos);
}
