// The tools of amk-mcp, against the program itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "mcp/client.h"
#include "mcp/core/schema.h"
#include "support/golden_file.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// A program that answers for as long as it is left alone.
constexpr const char* kSlowModel = "synthetic:smollm2-135m";

std::string project_root() { return std::filesystem::current_path().string(); }

Json definitions(McpProcess& server) { return server.ask(request("list", "tools/list"))["result"]["tools"]; }

Json slow_generate() {
  return {{"source", kSlowModel}, {"prompt_ids", {1}}, {"max_tokens", 2000}, {"ignore_eos", true}, {"device", "cpu"}};
}

/// The call's structured content, checked against the tool's schema; throws where there is none.
Json good(McpProcess& server, const std::string& tool, const Json& arguments, bool modern = false) {
  const Json result = server.call(tool, arguments, modern);
  const Json& structured = result.at("structuredContent");
  for (const Json& definition : definitions(server)) {
    if (definition["name"] != tool) continue;
    CHECK(mcp::check_schema(definition["outputSchema"], structured).empty());
  }
  CHECK(result["isError"] == false);
  CHECK(Json::parse(result["content"][0]["text"].get<std::string>()) == structured);
  CHECK_FALSE(structured["summary"].get<std::string>().empty());
  CHECK_FALSE(structured["next"].get<std::string>().empty());
  return structured;
}

std::string error_text(McpProcess& server, const std::string& tool, const Json& arguments) {
  const Json result = server.call(tool, arguments);
  CHECK(result["isError"] == true);
  CHECK_FALSE(result.contains("structuredContent"));
  return result["content"][0]["text"].get<std::string>();
}

struct Served {
  TempDirectory scratch;
  McpProcess server;
  explicit Served(const std::vector<std::string>& more = {}, const std::vector<std::string>& variables = {})
      : server(amk_mcp(scratch.path() / "workspace", more), project_root(), variables) {
    server.initialize();
  }
};

/// Whether a process runs whose command line holds the text.
bool runs_somewhere(const std::string& text) {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", problem)) {
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST_CASE("case 17: every tool is defined as its golden file says, and the same on every connection") {
  Served one;
  Served two({"--log-file=/dev/null"});
  const Json list = definitions(one.server);
  CHECK(list.dump() == definitions(one.server).dump());
  CHECK(list.dump() == definitions(two.server).dump());
  CHECK(list.dump() == one.server.ask(modern_request(1, "tools/list"))["result"]["tools"].dump());
  std::set<std::string> files;
  for (const Json& definition : list) {
    const std::string file = "tests/golden/mcp/" + definition["name"].get<std::string>() + ".json";
    CHECK(is_golden(file, definition.dump(2) + "\n"));
    files.insert(file);
  }
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/mcp"))
    CHECK(files.contains(entry.path().string()));
}

TEST_CASE("every tool states its four annotations, describes its arguments and fits what clients show") {
  Served served;
  for (const Json& definition : definitions(served.server)) {
    CAPTURE(definition["name"]);
    for (const char* hint : {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}) {
      CHECK(definition["annotations"][hint].is_boolean());
    }
    CHECK(definition["description"].get<std::string>().size() < 2048);
    CHECK(definition["inputSchema"]["additionalProperties"] == false);
    for (const auto& [name, property] : definition["inputSchema"]["properties"].items()) {
      CAPTURE(name);
      CHECK(property.contains("description"));
    }
    for (const char* key : {"summary", "next"}) {
      const Json& required = definition["outputSchema"]["required"];
      CHECK(std::find(required.begin(), required.end(), key) != required.end());
    }
  }
}

TEST_CASE("case 16: every tool's success fits its schema, in both eras") {
  Served served;
  McpProcess& server = served.server;
  for (const bool modern : {false, true}) {
    CHECK(good(server, "amk_doctor", Json::object(), modern)["doctor"]["targets"].size() >= 9);
    CHECK(good(server, "amk_models", Json::object(), modern)["models"].size() >= 8);
    CHECK(good(server, "amk_validate", {{"source", "toy"}}, modern)["accepted"] == true);
    CHECK(good(server, "amk_propose", {{"model", "toy"}, {"gpu", "t4"}}, modern)["gpu"] == "t4");
    const Json run =
        good(server, "amk_eval", {{"model", "toy"}, {"gpu", "h100"}, {"schedule", {{"pipelining_depth", 8}}}}, modern);
    CHECK(run["state"] == "done");
    CHECK(run["result"]["correct"] == true);
    const Json status = good(server, "amk_run_status", {{"run_id", run["run_id"]}}, modern);
    CHECK(status["result"] == run["result"]);
    CHECK(good(server, "amk_run_cancel", {{"run_id", run["run_id"]}}, modern)["state"] == "done");
    CHECK(good(server, "amk_runs", Json::object(), modern)["runs"][0]["run_id"] == run["run_id"]);
  }
}

TEST_CASE("what quantised weights cost is told with the numbers, and nothing but a format of theirs is taken") {
  Served served;
  McpProcess& server = served.server;
  const Json run = good(server, "amk_quantize", {{"model", "toy"}, {"weights", "int4:64"}, {"positions", 4}});
  CHECK(run["state"] == "done");
  CHECK(run["result"]["weights"]["dtype"] == "i4g64");
  CHECK(run["result"]["oracle"]["positions"] == 4);
  CHECK(run["result"]["oracle"]["mean_kl_nats"] > 0);
  CHECK(run["summary"].get<std::string>().find("toy with weights int4:64: a token streams ") == 0);
  CHECK(run["summary"].get<std::string>().find("of 4 positions") != std::string::npos);
  CHECK(run["files"].empty());
  CHECK(error_text(server, "amk_quantize", {{"model", "toy"}, {"weights", "stored"}}).find("int8") !=
        std::string::npos);
  CHECK(error_text(server, "amk_quantize", {{"model", "toy"}}).find("weights") != std::string::npos);
}

TEST_CASE("a model is compiled into a bundle, and the bundle writes what the model does") {
  Served served;
  const std::string model = "models/shakespeare-llama-3m";
  const Json compiled = good(served.server, "amk_compile", {{"model", model}, {"gpu", "none"}});
  const std::string bundle = compiled["result"]["bundle"];
  CHECK(bundle.starts_with((served.scratch.path() / "workspace").string()));
  CHECK(compiled["files"] == Json::array({bundle}));
  const Json prompt = {{"prompt", "ROMEO:"}, {"max_tokens", 8}, {"verify", true}, {"device", "cpu"}};
  Json arguments = prompt;
  arguments["source"] = bundle;
  const Json by_bundle = good(served.server, "amk_generate", arguments);
  arguments["source"] = model;
  const Json by_model = good(served.server, "amk_generate", arguments);
  CHECK(by_bundle["result"]["verified"]["agrees"] == true);
  CHECK(by_bundle["result"]["text"] == by_model["result"]["text"]);
  CHECK(by_bundle["result"]["generated_ids"].size() == 8);
}

/// A machine with a GPU that goes wrong in that way (tests/support/fake_worker.cpp).
std::vector<std::string> fake_gpu(const std::string& way) {
  return {std::string("AMK_WORKER=") + FAKE_WORKER_PROGRAM, "AMK_FAKE=" + way};
}

TEST_CASE("with a GPU, schedules are measured, benchmarked and traced, and proposals know the last trace") {
  Served served({}, fake_gpu(""));
  McpProcess& server = served.server;
  CHECK(good(server, "amk_doctor", Json::object())["summary"].get<std::string>().find("Fake H100") !=
        std::string::npos);
  const Json eval = good(server, "amk_eval", {{"model", "toy"}, {"context", 48}});
  CHECK(eval["result"]["latency_kind"] == "measured-gpu");
  CHECK(eval["summary"].get<std::string>().find("(measured)") != std::string::npos);
  const Json bench = good(server, "amk_bench", {{"model", "toy"}, {"positions", {0, 200}}, {"rounds", 3}});
  CHECK(bench["result"]["positions"].size() == 2);
  CHECK(bench["files"][0].get<std::string>().ends_with("/bench.svg"));
  CHECK(good(server, "amk_propose", {{"model", "toy"}})["last_trace"].is_null());
  const Json trace = good(server, "amk_trace", {{"model", "toy"}, {"runs", 3}});
  CHECK(trace["files"].size() == 2);
  CHECK(good(server, "amk_propose", {{"model", "toy"}})["last_trace"]["run_id"] == trace["run_id"]);
  CHECK(good(server, "amk_propose", {{"model", "toy-2l"}})["last_trace"].is_null());
}

TEST_CASE("a GPU that gives wrong logits, faults or crashes costs one evaluation, and its verdict says so") {
  for (const char* way : {"wrong:1", "fault:3", "crash:3", "nan:2"}) {
    CAPTURE(way);
    Served served({}, fake_gpu(way));
    const Json eval = good(served.server, "amk_eval", {{"model", "toy"}, {"context", 48}, {"positions", 4}});
    CHECK(eval["result"]["correct"] == false);
    CHECK(eval["summary"].get<std::string>().find("NOT correct") != std::string::npos);
    CHECK(good(served.server, "amk_validate", {{"source", "toy"}})["accepted"] == true);
  }
}

TEST_CASE("a megakernel that is not correct is neither timed nor traced") {
  Served served({}, fake_gpu("incorrect"));
  for (const char* tool : {"amk_bench", "amk_trace"}) {
    const Json run = good(served.server, tool, {{"model", "toy"}});
    CHECK(run["result"]["correct"] == false);
    CHECK(run["summary"].get<std::string>().find("NOT correct") != std::string::npos);
  }
}

TEST_CASE("what is wrong is said in words that heal, with no structured content") {
  Served served;
  McpProcess& server = served.server;
  CHECK(error_text(server, "amk_eval", {{"model", "toyy"}}).find("built-in: toy") != std::string::npos);
  const std::string schedule =
      error_text(server, "amk_eval", {{"model", "toy"}, {"schedule", {{"tiling", {{"gemv", {{"n_tile", 7}}}}}}}});
  CHECK(schedule.find(
            "schedule.tiling.gemv.n_tile: expected an integer from 8 to 65536, a multiple of 8 or \"auto\", found 7") !=
        std::string::npos);
  CHECK(schedule.find("follow this example") != std::string::npos);
  CHECK(error_text(server, "amk_validate",
                   {{"source", "toy"}, {"gpu", "t4"}, {"schedule", {{"kernel_knobs", {{"stream_backend", "bulk"}}}}}})
            .find("sm_75") != std::string::npos);
  CHECK(error_text(server, "amk_generate", {{"source", "toy"}}).find("found neither") != std::string::npos);
  CHECK(error_text(server, "amk_run_status", {{"run_id", "20200101-000000-eval-0000"}}).find("amk_runs lists them") !=
        std::string::npos);
  CHECK(error_text(server, "amk_models", {{"folder", "/no/such"}}).find("found none") != std::string::npos);
}

TEST_CASE("case 35: ids and paths that try something are texts like any other") {
  Served served;
  const std::filesystem::path trap = served.scratch.path() / "trap";
  for (const std::string& evil :
       std::vector<std::string>{"../../../etc", "; touch " + trap.string(), "$(touch " + trap.string() + ")",
                                "`touch " + trap.string() + "`", std::string("--out=/tmp"), std::string("-h"),
                                std::string("a\nb"), std::string("a\0b", 3)}) {
    CAPTURE(evil);
    error_text(served.server, "amk_eval", {{"model", evil}});
    error_text(served.server, "amk_validate", {{"source", evil}});
    error_text(served.server, "amk_generate", {{"source", evil}, {"prompt_ids", {1}}});
    error_text(served.server, "amk_run_status", {{"run_id", evil}});
    error_text(served.server, "amk_run_cancel", {{"run_id", evil}});
    error_text(served.server, "amk_eval", {{"model", "toy"}, {"perplexity", evil}});
  }
  CHECK_FALSE(std::filesystem::exists(trap));
}

TEST_CASE("a run outlives the call, is found by the next server, and is ended by it") {
  TempDirectory scratch;
  const std::vector<std::string> command = amk_mcp(scratch.path());
  std::string id;
  {
    McpProcess first(command, project_root());
    first.initialize();
    Json arguments = slow_generate();
    arguments["wait_s"] = 0;
    const Json run = good(first, "amk_generate", arguments);
    CHECK((run["state"] == "queued" || run["state"] == "running"));
    id = run["run_id"];
    first.signal(SIGKILL);
    CHECK(first.wait().signal == SIGKILL);
  }
  McpProcess second(command, project_root());
  second.initialize();
  const Json status = good(second, "amk_run_status", {{"run_id", id}, {"wait_s", 1}});
  CHECK((status["state"] == "queued" || status["state"] == "running"));
  CHECK(good(second, "amk_runs", Json::object())["runs"][0]["run_id"] == id);
  CHECK(good(second, "amk_run_cancel", {{"run_id", id}})["state"] == "cancelled");
  CHECK(good(second, "amk_run_status", {{"run_id", id}})["state"] == "cancelled");
  CHECK_FALSE(runs_somewhere(id));
}

TEST_CASE("case 21: cancelling the call ends its run, and the next call has the machine") {
  Served served;
  Json arguments = slow_generate();
  arguments["wait_s"] = 240;
  served.server.send(request("slow", "tools/call",
                             {{"name", "amk_generate"}, {"arguments", arguments}, {"_meta", {{"progressToken", 1}}}}));
  CHECK(served.server.receive()["method"] == "notifications/progress");
  served.server.send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", "slow"}}}});
  const auto start = steady_clock::now();
  CHECK(good(served.server, "amk_eval", {{"model", "toy"}})["state"] == "done");
  CHECK(steady_clock::now() - start < seconds(10));
  const Json runs = good(served.server, "amk_runs", Json::object())["runs"];
  CHECK(runs.size() == 2);
  for (const Json& run : runs) {
    if (run["tool"] == "amk_generate") CHECK(run["state"] == "cancelled");
  }
  for (const Json& message : served.server.seen()) CHECK(message.value("id", Json()) != "slow");
}

TEST_CASE("two servers on one workspace run one thing at a time") {
  TempDirectory scratch;
  McpProcess one(amk_mcp(scratch.path()), project_root());
  McpProcess two(amk_mcp(scratch.path()), project_root());
  one.initialize();
  two.initialize();
  Json arguments = slow_generate();
  arguments["wait_s"] = 1;
  const Json running = good(one, "amk_generate", arguments);
  CHECK(running["state"] == "running");
  const Json waiting = good(two, "amk_eval", {{"model", "toy"}, {"wait_s", 1}});
  CHECK(waiting["state"] == "queued");
  CHECK(good(two, "amk_run_cancel", {{"run_id", running["run_id"]}})["state"] == "cancelled");
  CHECK(good(one, "amk_run_status", {{"run_id", waiting["run_id"]}})["state"] == "done");
}

TEST_CASE("a run whose process is killed has failed, and says so") {
  Served served;
  Json arguments = slow_generate();
  arguments["wait_s"] = 1;
  const Json run = good(served.server, "amk_generate", arguments);
  const std::filesystem::path folder = run["folder"].get<std::string>();
  const int pid = Json::parse(slurp(folder / "process.json"))["pid"];
  ::kill(pid, SIGKILL);
  const Json status = good(served.server, "amk_run_status", {{"run_id", run["run_id"]}});
  CHECK(status["state"] == "failed");
  CHECK(status["error"].get<std::string>().find("killed, or crashed") != std::string::npos);
}

TEST_CASE("folders that are no run of ours, or broken, harm nobody") {
  Served served;
  const std::filesystem::path runs = served.scratch.path() / "workspace" / "runs";
  const std::vector<std::string> contents = {"", "nonsense", "[]", "{\"tool\":7,\"started_unix\":\"x\"}"};
  for (size_t i = 0; i < contents.size(); ++i) {
    const std::filesystem::path folder = runs / ("20260101-00000000" + std::to_string(i) + "-eval-0000");
    std::filesystem::create_directories(folder);
    spill(folder / "request.json", contents[i]);
    spill(folder / "process.json", contents[i]);
  }
  std::filesystem::create_directories(runs / "Not an ID");
  CHECK(good(served.server, "amk_eval", {{"model", "toy"}})["state"] == "done");
  const Json listed = good(served.server, "amk_runs", Json::object())["runs"];
  CHECK(listed.size() == 2);  // ours, and the broken one that is an object
  CHECK(listed[1]["state"] == "failed");
}

TEST_CASE("--read-only and --tools leave only what they say") {
  Served read_only({"--read-only"});
  for (const Json& definition : definitions(read_only.server)) {
    CHECK(definition["annotations"]["readOnlyHint"] == true);
    CHECK(definition["name"] != "amk_eval");
  }
  CHECK(definitions(read_only.server).size() == 9);
  Served some({"--tools=amk_eval,amk_doctor"});
  CHECK(definitions(some.server).size() == 2);
  const Json reply = some.server.ask(request(1, "tools/call", {{"name", "amk_runs"}}));
  CHECK(reply["error"]["code"] == -32602);
}

// Alone on the machine, as the ctest entry mcp_speed.
TEST_CASE("speed: the first reply comes within 50 ms of the start, and a list within 5 ms" * doctest::skip()) {
  TempDirectory scratch;
  auto best_start = seconds(10) + steady_clock::duration::zero();
  auto best_list = best_start;
  for (int attempt = 0; attempt < 20; ++attempt) {
    auto start = steady_clock::now();
    McpProcess server(amk_mcp(scratch.path()));
    server.initialize();
    best_start = std::min(best_start, steady_clock::now() - start);
    server.send(request(2, "tools/list", Json::object()));
    start = steady_clock::now();
    const std::string list = server.receive_text();
    best_list = std::min(best_list, steady_clock::now() - start);
    CHECK(list.find("\"amk_eval\"") != std::string::npos);
  }
  MESSAGE("start ", best_start / std::chrono::microseconds(1), " us, list ", best_list / std::chrono::microseconds(1),
          " us");
  CHECK(best_start < milliseconds(SPEED_LIMIT_FACTOR * 50));
  CHECK(best_list < milliseconds(SPEED_LIMIT_FACTOR * 5));
}

}  // namespace
}  // namespace amk::test
