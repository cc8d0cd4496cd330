// What goes wrong inside the server stays with the request that met it: sessions in this process, and amk-mcp itself.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "mcp/client.h"
#include "mcp/conversation.h"
#include "mcp/core/watcher.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;

/// A resource that is read, completed and watched by what throws.
mcp::Resource broken() {
  mcp::Resource out;
  out.uri = "test://broken/{name}";
  out.changes = true;
  out.read = [](const mcp::Variables&) -> Result<mcp::Contents> { throw std::runtime_error("no such luck"); };
  out.state = [](const mcp::Variables&) -> std::string { throw std::runtime_error("no such luck"); };
  out.completions["name"] = [](const std::string&) -> std::vector<std::string> { throw std::runtime_error("no luck"); };
  return out;
}

TEST_CASE("what throws while it is read, completed or watched costs its request and nothing else") {
  const mcp::Server server({"test", "Test", "1", ""}, {}, {broken()});
  Conversation client(server);
  client.initialize();
  const Json uri = {{"uri", "test://broken/a"}};
  const Json reference = {{"type", "ref/resource"}, {"uri", "test://broken/{name}"}};
  const Json argument = {{"name", "name"}, {"value", "a"}};
  const Json filter = {{"notifications", {{"resourceSubscriptions", {"test://broken/a"}}}}};
  for (const Json& ask : {request(1, "resources/read", uri), modern_request(2, "resources/read", uri),
                          request(3, "resources/subscribe", uri), modern_request(4, "subscriptions/listen", filter),
                          request(5, "completion/complete", {{"ref", reference}, {"argument", argument}})}) {
    CAPTURE(ask.dump());
    const Json reply = client.ask(ask);
    CHECK(reply["error"]["code"] == -32603);
    CHECK(reply["error"]["message"].get<std::string>().find("luck") != std::string::npos);
  }
  CHECK(client.ask(request(6, "ping"))["result"] == Json::object());
  CHECK(client.ask(modern_request(4, "resources/list"))["result"]["resources"].empty());  // the id is free again
}

TEST_CASE("a watch whose state cannot be said is looked at again, and harms no other") {
  mcp::Watcher watcher(milliseconds(1));
  std::atomic<int> looks = 0;
  std::atomic<int> told = 0;
  const auto odd = watcher.watch(
      [&]() -> std::string {
        if (++looks < 5) throw std::runtime_error("no such luck");
        return "b";
      },
      "a", [&] { ++told; });
  REQUIRE(odd.has_value());
  for (int i = 0; i < 500 && told == 0; ++i) std::this_thread::sleep_for(milliseconds(5));
  CHECK(told == 1);
}

TEST_CASE("a result.json that amk never wrote costs the reads of it, not the server, and the log says why") {
  TempDirectory scratch;
  const std::string id = "20260101-000000000-eval-0001";
  const std::filesystem::path folder = scratch.path() / "runs" / id;
  std::filesystem::create_directories(folder);
  spill(folder / "request.json", R"({"tool":"amk_eval","arguments":{},"started":"","started_unix":1})");
  McpProcess server(amk_mcp(scratch.path(), {"--log-file", (scratch.path() / "log").string()}));
  server.initialize();
  int next = 0;
  for (const char* odd :
       {R"({"findings":{},"valid":"no"})", R"({"findings":{"a":1},"valid":false})", R"({"findings":[1],"valid":false})",
        R"([1])", R"(7)", R"({"valid":[],"latency_us":{},"findings":7})"}) {
    CAPTURE(odd);
    spill(folder / "result.json", odd);
    for (const char* name : {"status", "verdict", "result"}) {
      const Json uri = {{"uri", "amk://runs/" + id + "/" + name}};
      const Json reply = server.ask(request(++next, "resources/read", uri));
      CHECK((reply.contains("result") || reply["error"]["code"] == -32603));
    }
    CHECK(server.ask(request(++next, "tools/call", {{"name", "amk_run_status"}, {"arguments", {{"run_id", id}}}}))
              .contains("id"));
  }
  CHECK(server.ask(request(++next, "ping"))["result"] == Json::object());
  CHECK(slurp(scratch.path() / "log").find("\"code\":-32603,\"message\":\"resources/read ended unexpectedly") !=
        std::string::npos);
}

}  // namespace
}  // namespace amk::test
