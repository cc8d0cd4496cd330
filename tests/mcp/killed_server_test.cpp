// A server that is killed in the middle of a job, over both transports: what is on disk goes on.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include "mcp/client.h"
#include "mcp/http_client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

/// Takes a second or so, and comes to the same every time. The caller waits for it all the while.
Json evaluation() {
  const std::string model = std::filesystem::absolute("models/shakespeare-llama-3m").string();
  return {{"name", "amk_eval"},
          {"arguments", {{"model", model}, {"gpu", "none"}, {"threads", 1}, {"positions", 128}, {"wait_s", 60}}},
          {"_meta", {{"progressToken", "p"}}}};
}

/// The only run of the workspace, ended, as a server on it sees it that has not started it.
Json run_found_by_another(const std::filesystem::path& workspace) {
  McpProcess server(amk_mcp(workspace));
  server.initialize();
  const Json runs = server.call("amk_runs", Json::object()).at("structuredContent").at("runs");
  CHECK(runs.size() == 1);
  const Json arguments = {{"run_id", runs.at(0).at("run_id")}, {"wait_s", 60}};
  return server.call("amk_run_status", arguments).at("structuredContent");
}

Json undisturbed_result() {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()));
  server.initialize();
  return server.call("amk_eval", evaluation()["arguments"]).at("structuredContent").at("result");
}

TEST_CASE("kill -9 in the middle of a job loses nothing: it ends, with the result of an undisturbed one") {
  const Json undisturbed = undisturbed_result();
  CHECK(undisturbed["correct"] == true);
  TempDirectory scratch;
  {
    McpProcess server(amk_mcp(scratch.path() / "stdio"));
    server.initialize();
    server.send(request(1, "tools/call", evaluation()));
    CHECK(server.receive()["method"] == "notifications/progress");
    server.signal(SIGKILL);
    CHECK(server.wait().signal == SIGKILL);
  }
  {
    HttpServerProcess server(amk_mcp(scratch.path() / "http"));
    HttpConnection connection(server.port());
    connection.send(modern_post(modern_request(1, "tools/call", evaluation())));
    CHECK(connection.read_reply().status == 200);
    CHECK(connection.next_message()["method"] == "notifications/progress");
    server.signal(SIGKILL);
    CHECK(server.wait() == -1);
  }
  for (const char* transport : {"stdio", "http"}) {
    CAPTURE(transport);
    const Json run = run_found_by_another(scratch.path() / transport);
    CHECK(run["state"] == "done");
    CHECK(run["result"] == undisturbed);
  }
}

}  // namespace
}  // namespace amk::test
