// Runs as folders and processes: what is found of them whatever happened to the server that started them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "mcp/client.h"
#include "mcp/runs/run_store.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kId = "20260101-000000000-eval-0001";

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// The folder of a run that was asked for then.
fs::path run_folder(const fs::path& workspace, double started) {
  const fs::path folder = workspace / "runs" / kId;
  fs::create_directories(folder);
  const Json request = {
      {"tool", "amk_eval"}, {"arguments", Json::object()}, {"started", ""}, {"started_unix", started}};
  spill(folder / "request.json", request.dump());
  return folder;
}

/// What a server starts and leaves behind where it is killed before it could write anything: in a session of its own.
McpProcess queued(const fs::path& workspace, const std::string& command) {
  return McpProcess({"/usr/bin/setsid", AMK_MCP_PROGRAM, "queued", (workspace / "runs.lock").string(),
                     (workspace / "runs" / kId / "running").string(), "/bin/sh", "-c", command});
}

void set_time(const fs::path& file, double unix_seconds) {
  const auto whole = static_cast<time_t>(unix_seconds);
  const timespec times[2] = {{whole, 0}, {whole, 0}};
  CHECK(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
}

template <typename Condition>
bool within(milliseconds patience, const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

TEST_CASE("a run says itself which process it is: one whose server was killed at once is found and can be ended") {
  TempDirectory scratch;
  const fs::path folder = run_folder(scratch.path(), now() - 100);
  mcp::RunStore store(scratch.path());
  McpProcess run = queued(scratch.path(), "exec sleep 600");
  CHECK(within(seconds(10), [&] { return fs::exists(folder / "running"); }));
  CHECK(store.look(kId).value().state == mcp::RunState::kRunning);
  CHECK(store.cancel(kId).value().state == mcp::RunState::kCancelled);
  CHECK(run.wait().signal == SIGKILL);
}

TEST_CASE("a run that is cancelled while it waits in the queue is never begun, though nobody kills it") {
  TempDirectory scratch;
  const fs::path folder = run_folder(scratch.path(), now() - 100);
  const int lock = ::open((scratch.path() / "runs.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  mcp::RunStore store(scratch.path());
  McpProcess run = queued(scratch.path(), "touch " + (folder / "begun").string());
  CHECK(within(seconds(10), [&] { return store.look(kId).value().state == mcp::RunState::kQueued; }));
  spill(folder / "cancelled", "\n");
  ::close(lock);
  run.wait();
  CHECK_FALSE(fs::exists(folder / "begun"));
  CHECK(store.look(kId).value().state == mcp::RunState::kCancelled);
}

TEST_CASE("a server whose program has been built anew starts runs all the same") {
  TempDirectory scratch;
  const fs::path program = scratch.path() / "amk-mcp";
  fs::copy_file(AMK_MCP_PROGRAM, program);
  const std::string amk = (fs::path(AMK_MCP_PROGRAM).parent_path() / "amk").string();
  McpProcess server({program.string(), "--workspace", (scratch.path() / "workspace").string()}, "/",
                    {"AMK_PROGRAM=" + amk});
  server.initialize();
  fs::remove(program);
  const Json result = server.call("amk_eval", {{"model", "toy"}, {"gpu", "none"}});
  CAPTURE(result.dump());
  CHECK(result["isError"] == false);
  CHECK(result.value("structuredContent", Json::object()).value("state", "") == "done");
}

TEST_CASE("how long a run took is known of those that were cancelled or crashed, too") {
  TempDirectory scratch;
  const double start = now() - 1000;
  const fs::path folder = run_folder(scratch.path(), start);
  mcp::RunStore store(scratch.path());
  const auto elapsed = [&] { return store.look(kId).value().elapsed_s; };
  spill(folder / "result.json", "");
  set_time(folder / "result.json", start);
  spill(folder / "stderr.log", "working\n");
  set_time(folder / "stderr.log", start + 300);
  CHECK(elapsed() == doctest::Approx(300).epsilon(0.01));
  spill(folder / "cancelled", "\n");
  set_time(folder / "cancelled", start + 400);
  CHECK(elapsed() == doctest::Approx(400).epsilon(0.01));
}

TEST_CASE("a run that cannot be started has failed at once, and says why") {
  TempDirectory scratch;
  const fs::path workspace = scratch.path() / "workspace";
  McpProcess server(amk_mcp(workspace), "/", {"AMK_PROGRAM=" + std::string(AMK_MCP_PROGRAM)});
  server.initialize();
  // A text that no argument of a program can be.
  const Json call = {{"model", "toy"}, {"perplexity", std::string(200'000, 'x')}};
  CHECK(server.call("amk_eval", call)["isError"] == true);
  const Json zero = {{"model", std::string("a\0b", 3)}};
  CHECK(server.call("amk_eval", zero)["isError"] == true);
  const Json runs = server.call("amk_runs", Json::object())["structuredContent"]["runs"];
  REQUIRE(runs.size() >= 1);
  for (const Json& run : runs) {
    CAPTURE(run.dump());
    CHECK(run["state"] == "failed");
    CHECK(run["summary"].get<std::string>().find("killed, or crashed") == std::string::npos);
  }
}

TEST_CASE("a folder of runs that cannot be written is said with the system's reason and what to do") {
  TempDirectory scratch;
  fs::create_directory_symlink("/proc", scratch.path() / "runs");  // nobody makes a folder there, root included
  mcp::RunStore store(scratch.path());
  const Result<std::string> made = store.make("amk_eval", mcp::Json::object());
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().message.find("No such file or directory") != std::string::npos);
  CHECK(made.error().hint.find("--workspace") != std::string::npos);
}

TEST_CASE("every note of a run is told once: to who waits for its end, and not again to who asks later") {
  TempDirectory scratch;
  const fs::path amk = scratch.path() / "amk";
  spill(amk,
        "#!/bin/sh\ni=0\nwhile [ $i -lt 2000 ]; do echo \"a note that is some thirty bytes long: $i\" >&2; "
        "i=$((i+1)); done\necho '{}'\n");
  fs::permissions(amk, fs::perms::owner_all);
  McpProcess server(amk_mcp(scratch.path() / "workspace"), "/", {"AMK_PROGRAM=" + amk.string()});
  server.initialize();
  const auto notes = [&](const std::string& tool, const Json& arguments, Json& structured) {
    const size_t before = server.seen().size();
    structured = server.call(tool, arguments)["structuredContent"];
    size_t out = 0;
    for (size_t i = before; i < server.seen().size(); ++i)
      out += server.seen()[i].value("method", "") == "notifications/message" ? 1 : 0;
    return out;
  };
  Json run;
  Json again;
  CHECK(notes("amk_compile", {{"model", "toy"}, {"gpu", "none"}}, run) == 2000);
  CHECK(notes("amk_run_status", {{"run_id", run["run_id"]}}, again) == 0);
}

TEST_CASE("a resource of a run is answered without reading a result that would not be sent") {
  TempDirectory scratch;
  const fs::path folder = run_folder(scratch.path(), 1);
  const auto write = [&](size_t bytes) {
    spill(folder / "result.json", R"({"text":")" + std::string(bytes, 'x') + "\"}\n");
  };
  write(1U << 20U);
  mcp::RunStore store(scratch.path());
  const mcp::Run left_out = store.look(kId, 256U << 10U).value();
  CHECK(left_out.state == mcp::RunState::kDone);
  CHECK(left_out.result_left_out);
  CHECK(left_out.result.is_null());
  CHECK(store.look(kId).value().result.is_object());
  McpProcess server(amk_mcp(scratch.path()));
  server.initialize();
  write(60U << 20U);
  const auto start = std::chrono::steady_clock::now();
  for (const char* name : {"status", "stderr", "result", "verdict"})
    server.ask(request(name, "resources/read", {{"uri", std::string("amk://runs/") + kId + "/" + name}}));
  CHECK(std::chrono::steady_clock::now() - start < milliseconds(500));
  const Json uri = {{"uri", std::string("amk://runs/") + kId + "/status"}};
  const Json reply = server.ask(request("again", "resources/read", uri));
  const Json status = Json::parse(reply["result"]["contents"][0]["text"].get<std::string>());
  CHECK(status["state"] == "done");
  CHECK(status["result"].is_null());
  CHECK(status["next"].get<std::string>().find("result.json") != std::string::npos);
  // One that was killed while it wrote has no result.
  spill(folder / "result.json", R"({"text":")" + std::string(1U << 20U, 'x'));
  CHECK(store.look(kId, 256U << 10U).value().state == mcp::RunState::kFailed);
}

TEST_CASE("the stamp of a run that is being started is that of a queued one") {
  TempDirectory scratch;
  const fs::path folder = run_folder(scratch.path(), now());
  mcp::RunStore store(scratch.path());
  CHECK(store.look(kId).value().state == mcp::RunState::kQueued);
  CHECK(store.stamp(kId).starts_with("queued"));
  spill(folder / "result.json", R"({"error":{"code":"io","message":"no","location":"","hint":""}})");
  CHECK(store.look(kId).value().state == mcp::RunState::kFailed);
  CHECK(store.stamp(kId).starts_with("ended"));
}

}  // namespace
}  // namespace amk::test
