// Calls in flight: progress, cancelling, many at once.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "mcp/client.h"
#include "mcp/core/session.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Json wait_call(const Json& id, int ms, const Json& meta = Json::object()) {
  return request(id, "tools/call", {{"name", "wait"}, {"arguments", {{"ms", ms}}}, {"_meta", meta}});
}

Json cancelled(const Json& id) {
  return {{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", id}}}};
}

TEST_CASE("case 20: progress has the caller's token, rises, and ends with the result") {
  McpProcess server(fixture_server());
  server.initialize();
  for (const Json& token : {Json("t"), Json(7), Json(0)}) {
    server.send(wait_call(1, 700, {{"progressToken", token}}));
    double last = 0;
    int count = 0;
    Json message = server.receive();
    for (; message.contains("method"); message = server.receive()) {
      CHECK(message["method"] == "notifications/progress");
      CHECK(message["params"]["progressToken"].dump() == token.dump());
      CHECK(message["params"]["progress"].get<double>() > last);
      last = message["params"]["progress"].get<double>();
      ++count;
    }
    CHECK(message["id"] == 1);
    CHECK(count >= 2);
    CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
  }
}

TEST_CASE("case 20: without a token there is no progress; a token of another kind is refused") {
  McpProcess server(fixture_server());
  server.initialize();
  server.send(wait_call(1, 500));
  CHECK(server.receive()["id"] == 1);
  CHECK(server.ask(wait_call(2, 1, {{"progressToken", 1.5}}))["error"]["code"] == -32602);
}

TEST_CASE("case 21: a cancelled call ends without a reply; the others go on") {
  McpProcess server(fixture_server());
  server.initialize();
  server.send(wait_call("mine", 600000, {{"progressToken", "p"}}));
  CHECK(server.receive()["method"] == "notifications/progress");
  server.send(cancelled("mine"));
  while (server.try_receive(milliseconds(50))) {
  }
  CHECK_FALSE(server.try_receive(milliseconds(400)).has_value());
  CHECK(server.ask(wait_call("mine", 1))["result"]["structuredContent"]["text"] == "waited");
}

TEST_CASE("case 21: cancelling what is unknown, or without saying what, changes nothing") {
  McpProcess server(fixture_server());
  server.initialize();
  server.send(wait_call(1, 200));
  server.send(cancelled(99));
  server.send(cancelled("1"));  // another id than 1
  server.send(cancelled(nullptr));
  server.send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}});
  CHECK(server.reply_to(1)["result"]["structuredContent"]["text"] == "waited");
}

TEST_CASE("case 22: cancelling as a call completes never makes two replies, nor any afterwards") {
  mcp::Tool tool;
  tool.name = "quick";
  tool.input_schema = {{"type", "object"}};
  tool.output_schema = {{"type", "object"}};
  tool.call = [](const mcp::Json&, mcp::CallContext& context) {
    context.progress("at once");
    return mcp::ToolResult{};
  };
  const mcp::Server server({"test", "Test", "1", ""}, {tool});
  mcp::CallThreads threads(4);
  mcp::Session session(server, threads);
  const mcp::Send nowhere = [](const mcp::Json&) {};
  session.receive(request(0, "initialize", {{"protocolVersion", "2025-11-25"}}).dump(), nowhere);
  constexpr int kRaces = 1000;
  std::vector<std::atomic<int>> replies(kRaces + 1);
  int unanswered = 0;
  for (int id = 1; id <= kRaces; ++id) {
    session.receive(request(id, "tools/call", {{"name", "quick"}}).dump(),
                    [&, id](const mcp::Json&) { ++replies[static_cast<size_t>(id)]; });
    for (int spin = 0; spin < id % 50; ++spin) std::this_thread::yield();
    session.receive(cancelled(id).dump(), nowhere);
    const int then = replies[static_cast<size_t>(id)];
    CHECK(session.wait_until_idle(seconds(5)));
    REQUIRE(replies[static_cast<size_t>(id)] == then);  // nothing after the cancel
    REQUIRE(then <= 1);
    if (then == 0) ++unanswered;
  }
  MESSAGE("cancelled in time: ", unanswered, " of ", kRaces);
}

TEST_CASE("case 23: fifty calls at once are answered once each, and lists meanwhile are quick") {
  McpProcess server(fixture_server());
  server.initialize();
  for (int id = 1; id <= 50; ++id) server.send(wait_call(id, 1000));
  const auto start = steady_clock::now();
  CHECK(server.ask(request("list", "tools/list"))["result"]["tools"].size() == 6);
  CHECK(steady_clock::now() - start < seconds(1));
  std::map<std::string, int> replies;
  for (int i = 0; i < 50; ++i) ++replies[server.receive()["id"].dump()];
  CHECK(replies.size() == 50);
  CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
}

TEST_CASE("an id that is in flight is refused, and may be used again afterwards") {
  McpProcess server(fixture_server());
  server.initialize();
  server.send(wait_call(5, 300));
  CHECK(server.ask(wait_call(5, 300))["error"]["code"] == -32600);
  CHECK(server.reply_to(5).contains("result"));
  CHECK(server.ask(wait_call(5, 1)).contains("result"));
}

TEST_CASE("a call that waits for a thread is answered when the server ends; a cancelled one is not") {
  mcp::Tool tool;
  tool.name = "stay";
  tool.input_schema = {{"type", "object"}};
  tool.output_schema = {{"type", "object"}};
  std::atomic<bool> runs = false;
  tool.call = [&](const mcp::Json&, mcp::CallContext& context) {
    runs = true;
    while (context.stop() == mcp::Stop::kNo) context.pause(milliseconds(10));
    return mcp::ToolResult{};
  };
  const mcp::Server server({"test", "Test", "1", ""}, {tool});
  mcp::CallThreads threads(1);
  mcp::Session session(server, threads);
  std::mutex mutex;
  std::map<std::string, Json> replies;
  const mcp::Send keep = [&](const mcp::Json& message) {
    const std::lock_guard lock(mutex);
    replies[mcp::to_line(message["id"])] = Json::parse(mcp::to_line(message));
  };
  session.receive(request(0, "initialize", {{"protocolVersion", "2025-11-25"}}).dump(), keep);
  for (int id = 1; id <= 3; ++id) session.receive(request(id, "tools/call", {{"name", "stay"}}).dump(), keep);
  session.receive(cancelled(3).dump(), keep);
  while (!runs) std::this_thread::yield();
  session.shut_down();
  CHECK(replies["1"].contains("result"));
  // The thread may be free for it before it is told: then it runs, and ends as the first does.
  REQUIRE(replies.contains("2"));
  if (!replies["2"].contains("result")) {
    CHECK(replies["2"]["error"]["code"] == -32603);
    CHECK(replies["2"]["error"]["message"].get<std::string>().find("send it again") != std::string::npos);
  }
  CHECK_FALSE(replies.contains("3"));
}

}  // namespace
}  // namespace amk::test
