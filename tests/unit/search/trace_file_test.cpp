#include "search/trace_file.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/temp_directory.h"

using namespace amk;
using namespace amk::search;
using Json = nlohmann::ordered_json;

namespace {

Json a_trace(const char* schedule_id, int64_t made) {
  return {{"model", "toy"},
          {"gpu", "h100"},
          {"schedule_id", schedule_id},
          {"device", "a GPU"},
          {"position", 3},
          {"trace",
           {{"span_us", 40.0},
            {"floor_us", nullptr},
            {"bottleneck", "stream"},
            {"largest_loss", "skew"},
            {"stream_us", 20.0},
            {"compute_us", 5.0},
            {"wait_us", 8.0},
            {"skew_us", 7.0}}},
          {"timeline", {{"sms", 2}, {"span_us", 40.0}, {"tasks", {{1, 0.0, 1.0, 2.0, 30.0, 40.0}}}}},
          {"made", made}};
}

void leave(const std::filesystem::path& workspace, const Json& trace) {
  const std::filesystem::path path =
      trace_path(workspace, trace["model"], trace["gpu"], trace["schedule_id"], trace["position"]);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << trace.dump();
}

}  // namespace

TEST_CASE("the newest trace of a model and target is found, of a schedule where one is asked for") {
  const test::TempDirectory workspace;
  CHECK_FALSE(newest_trace(workspace.path(), "toy", "h100").has_value());
  leave(workspace.path(), a_trace("aaa", 20));
  leave(workspace.path(), a_trace("bbb", 10));
  std::ofstream(workspace.path() / "traces" / "toy-half-written.json") << "{\"model\": \"toy\"";
  const std::optional<TraceFile> found = newest_trace(workspace.path(), "toy", "h100");
  REQUIRE(found);
  CHECK(found->schedule_id == "aaa");
  CHECK(found->largest_loss == eval::Bottleneck::kSkew);
  CHECK(found->floor_us == 0);
  REQUIRE(found->timeline);
  CHECK(found->timeline->tasks.front().published_us == 40);
  CHECK(newest_trace(workspace.path(), "toy", "h100", "bbb")->made == 10);
  CHECK_FALSE(newest_trace(workspace.path(), "toy", "t4").has_value());
  CHECK_FALSE(newest_trace(workspace.path(), "toy-2l", "h100").has_value());
}

TEST_CASE("what is no trace is refused with the command that writes one") {
  Json of_sm_9 = a_trace("aaa", 1);
  of_sm_9["timeline"]["tasks"][0][0] = 9;
  Json incorrect = a_trace("aaa", 1);
  incorrect["trace"] = nullptr;
  for (const std::string& text : {std::string("{"), std::string("[]"), of_sm_9.dump(), incorrect.dump()}) {
    const Result<TraceFile> read = trace_from_json(text, "x.json");
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == ErrorCode::kBadInput);
    CHECK(read.error().hint.find("amk trace") != std::string::npos);
  }
}
