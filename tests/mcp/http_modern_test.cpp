// HTTP of 2026-07-28, against real processes: no session, headers that repeat the body, leaving is cancelling.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "mcp/http_client.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr const char* kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";

Json call(const Json& id, const std::string& tool, const Json& arguments, const Json& token = nullptr) {
  Json params = {{"name", tool}, {"arguments", arguments}};
  if (!token.is_null()) params["_meta"]["progressToken"] = token;
  return modern_request(id, "tools/call", params);
}

TEST_CASE("case 11: version and capabilities are in the body: missing 400 -32602, unsupported 400 -32022") {
  HttpServerProcess server(http_fixture_server());
  for (const char* key : {kVersionKey, kCapabilitiesKey}) {
    Json missing = modern_request(1, "tools/list");
    missing["params"]["_meta"].erase(key);
    const HttpReply reply = ask_once(server.port(), modern_post(missing));
    CHECK(reply.status == 400);
    CHECK(reply.code() == -32602);
    CHECK(reply.json()["id"] == 1);
  }
  CHECK(ask_once(server.port(), modern_post(request(2, "tools/list"))).code() == -32602);
  Json old = modern_request(3, "tools/list");
  old["params"]["_meta"][kVersionKey] = "1900-01-01";
  const HttpReply reply = ask_once(server.port(), modern_post(old, {{"MCP-Protocol-Version", "1900-01-01"}}));
  CHECK(reply.status == 400);
  CHECK(reply.code() == -32022);
  CHECK(reply.json()["error"]["data"]["supported"] == Json({"2026-07-28", "2025-11-25", "2025-06-18"}));
}

TEST_CASE("cases 8 and 14: what 2026-07-28 has not is 404 -32601") {
  HttpServerProcess server(http_fixture_server());
  for (const char* method :
       {"no/such", "ping", "initialize", "logging/setLevel", "resources/subscribe", "tasks/list"}) {
    CAPTURE(method);
    const HttpReply reply = ask_once(server.port(), modern_post(modern_request(1, method)));
    CHECK(reply.status == 404);
    CHECK(reply.code() == -32601);
  }
}

TEST_CASE("cases 8 and 9: a notification is 202, a response 400") {
  HttpServerProcess server(http_fixture_server());
  const Json note = {{"jsonrpc", "2.0"}, {"method", "notifications/nonsense"}};
  CHECK(ask_once(server.port(), modern_post(note)).status == 202);
  CHECK(ask_once(server.port(), modern_post(note, {{"Mcp-Method", "other"}})).status == 400);
  const Json response = {{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}};
  CHECK(ask_once(server.port(), modern_post(response)).status == 400);
}

TEST_CASE("case 28: headers repeat the body: missing or unequal is 400 -32020, in any good form it is served") {
  HttpServerProcess server(http_fixture_server());
  const auto reply = [&](const Headers& more) {
    return ask_once(server.port(), modern_post(call(1, "echo", {{"text", "a"}}), more));
  };
  for (const char* name : {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"}) {
    CAPTURE(name);
    const HttpReply missing = reply({{name, ""}});
    CHECK(missing.status == 400);
    CHECK(missing.code() == -32020);
    CHECK(missing.json()["id"] == 1);
    for (const char* value : {"other", "=?base64?b3RoZXI=?=", "=?base64?!!!?=", "=?base64?ZWNobw?="}) {
      CAPTURE(value);
      CHECK(reply({{name, value}}).code() == -32020);
    }
  }
  CHECK(reply({{"Mcp-Name", "Echo"}}).code() == -32020);
  CHECK(reply({{"Mcp-Method", "TOOLS/CALL"}}).code() == -32020);
  CHECK(reply({{"MCP-Protocol-Version", "2025-11-25"}}).code() == -32020);
  CHECK(reply({{"mcp-name", "=?base64?ZWNobw==?="}, {"MCP-METHOD", "  tools/call  "}}).status == 200);
  CHECK(reply({{"Mcp-Name", "=?base64?ZWNobw==?="}}).json()["result"]["structuredContent"]["text"] == "a");
  CHECK(
      ask_once(server.port(), modern_post(modern_request(2, "resources/read", {{"uri", "x:y"}}), {{"Mcp-Name", "x:z"}}))
          .code() == -32020);
  CHECK(ask_once(server.port(), modern_post(modern_request(2, "tools/list"), {{"Mcp-Name", "unused"}})).status == 200);
}

TEST_CASE("case 13: over HTTP, too, results are complete and need no session") {
  HttpServerProcess server(http_fixture_server());
  HttpConnection client(server.port());
  for (const char* method : {"server/discover", "tools/list", "resources/list", "prompts/list"}) {
    const HttpReply reply = client.ask(modern_post(modern_request(1, method)));
    CHECK(reply.status == 200);
    CHECK(reply.header("Mcp-Session-Id").empty());
    CHECK(reply.json()["result"]["resultType"] == "complete");
    CHECK(reply.json()["result"]["cacheScope"] == "public");
  }
}

TEST_CASE("case 12: a client that discovers first may still begin a session") {
  HttpServerProcess server(http_fixture_server());
  CHECK(ask_once(server.port(), modern_post(modern_request(1, "server/discover"))).status == 200);
  CHECK(begin_session(server.port()).size() == 32);
}

TEST_CASE("a stream has no ids, is not buffered by proxies, says that it is there, and cannot be resumed") {
  HttpServerProcess server(http_fixture_server({"--keep-alive-ms", "100"}));
  HttpConnection client(server.port());
  const HttpReply head = client.ask(modern_post(call(1, "wait", {{"ms", 1500}})));
  CHECK(head.header("Content-Type") == "text/event-stream");
  CHECK(head.header("X-Accel-Buffering") == "no");
  const std::optional<ServerEvent> event = client.next_event();
  CHECK(event->id.empty());
  CHECK(event->json()["result"]["structuredContent"]["text"] == "waited");
  CHECK_FALSE(client.next_event().has_value());
  CHECK(client.comments() >= 2);
  CHECK(ask_once(server.port(),
                 http_request("GET", "", {{"Last-Event-ID", "0-1"}, {"MCP-Protocol-Version", "2026-07-28"}}))
            .status == 405);
}

TEST_CASE("case 20: progress comes on the request's own stream") {
  HttpServerProcess server(http_fixture_server());
  HttpConnection client(server.port());
  CHECK(client.ask(modern_post(call(1, "wait", {{"ms", 500}}, "p"))).status == 200);
  CHECK(client.next_message()["params"]["progressToken"] == "p");
  Json message = client.next_message();
  while (message.contains("method")) message = client.next_message();
  CHECK(message["id"] == 1);
}

TEST_CASE("case 32: leaving ends the call, whether or not a stream was open") {
  HttpServerProcess server(http_fixture_server({"--requests-max", "4"}));
  /// Whether it comes, within seconds, to be as busy as that.
  const auto gets = [&](int status) {
    const auto end = steady_clock::now() + seconds(5);
    const std::string quick = modern_post(call(9, "echo", {{"text", "a"}}));
    while (ask_once(server.port(), quick).status != status && steady_clock::now() < end) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    return steady_clock::now() < end;
  };
  for (const bool streamed : {true, false}) {
    CAPTURE(streamed);
    std::vector<HttpConnection> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back(server.port());
      clients.back().send(modern_post(call(1, "wait", {{"ms", 600000}}, streamed ? Json("p") : Json())));
    }
    CHECK(gets(503));
    clients.clear();
    CHECK(gets(200));
  }
}

TEST_CASE("case 23: the same id may be in flight for many clients") {
  HttpServerProcess server(http_fixture_server());
  std::vector<HttpConnection> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(modern_post(call(1, "echo", {{"text", std::to_string(i)}})));
  }
  for (int i = 0; i < 20; ++i) {
    const Json reply = clients[static_cast<size_t>(i)].read_reply().json();
    CHECK(reply["result"]["structuredContent"]["text"] == std::to_string(i));
  }
}

TEST_CASE("only so many requests listen at a time, of all clients together, and calls are served beside them") {
  HttpServerProcess server(http_fixture_server({"--listeners-max", "2"}));
  const Json listen = modern_request(1, "subscriptions/listen", {{"notifications", Json::object()}});
  const auto opened = [&](HttpConnection& client) { return client.ask(modern_post(listen)).status; };
  HttpConnection first(server.port());
  HttpConnection second(server.port());
  CHECK(opened(first) == 200);
  CHECK(opened(second) == 200);
  HttpConnection third(server.port());
  const HttpReply refused = third.ask(modern_post(listen));
  CHECK(refused.status == 503);
  CHECK(refused.json()["error"]["message"].get<std::string>().find("at most 2 requests") != std::string::npos);
  CHECK(third.ask(modern_post(call(2, "echo", {{"text", "a"}}))).status == 200);
  first.close();
  int status = 503;
  for (int i = 0; i < 200 && status == 503; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    HttpConnection again(server.port());
    status = opened(again);
  }
  CHECK(status == 200);
}

}  // namespace
}  // namespace amk::test
