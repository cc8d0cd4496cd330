// HTTP up to 2025-11-25, against real processes: sessions, streams that go on, progress and cancelling.
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

Json wait_call(const Json& id, int ms, const Json& meta = Json::object()) {
  return request(id, "tools/call", {{"name", "wait"}, {"arguments", {{"ms", ms}}}, {"_meta", meta}});
}

Json cancelled(const Json& id) {
  return {{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", id}}}};
}

/// A session of the fixture server's.
struct Client {
  explicit Client(const HttpServerProcess& server, const std::string& version = "2025-11-25")
      : port(server.port()), id(begin_session(port, version)) {}

  [[nodiscard]] Headers headers(const Headers& more = {}) const {
    Headers out = {{"Mcp-Session-Id", id}, {"MCP-Protocol-Version", "2025-11-25"}};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  [[nodiscard]] HttpReply ask(const Json& message) const { return ask_once(port, post(message, headers())); }
  [[nodiscard]] std::string get(const Headers& more = {}) const { return http_request("GET", "", headers(more)); }

  int port;
  std::string id;
};

TEST_CASE("case 29: a session is named by every request; without it 400, with another or an ended one 404") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  CHECK(client.id.size() == 32);
  CHECK(client.id != begin_session(server.port()));
  const std::string ping = request(1, "ping").dump();
  const auto status = [&](const Headers& more) {
    return ask_once(server.port(), http_request("POST", ping, more)).status;
  };
  CHECK(status(client.headers()) == 200);
  CHECK(status({}) == 400);
  CHECK(status({{"Mcp-Session-Id", "0123456789abcdef0123456789abcdef"}}) == 404);
  CHECK(status({{"Mcp-Session-Id", client.id}, {"MCP-Protocol-Version", "1900-01-01"}}) == 400);
  CHECK(status({{"Mcp-Session-Id", client.id}, {"MCP-Protocol-Version", "2025-06-18"}}) == 200);
  CHECK(ask_once(server.port(), http_request("DELETE", "", client.headers())).status == 204);
  CHECK(status(client.headers()) == 404);
  CHECK(ask_once(server.port(), client.get()).status == 404);
  CHECK(ask_once(server.port(), http_request("DELETE", "", client.headers())).status == 404);
}

TEST_CASE("case 29: a session that is not used expires; one that is in use does not") {
  HttpServerProcess server(http_fixture_server({"--session-idle-ms", "300"}));
  const Client idle(server);
  const Client used(server);
  HttpConnection caller(server.port());
  caller.send(post(wait_call(1, 900), used.headers()));
  std::this_thread::sleep_for(milliseconds(600));
  CHECK(idle.ask(request(1, "ping")).status == 404);
  CHECK(caller.read_reply().status == 200);
  CHECK(caller.next_message()["id"] == 1);
}

TEST_CASE("there are only so many sessions: the one that is unused for longest makes room") {
  HttpServerProcess server(http_fixture_server({"--sessions-max", "2"}));
  const Client first(server);
  HttpConnection listener(server.port());
  CHECK(listener.ask(first.get()).status == 200);  // it is busy, and stays
  const Client second(server);
  const Client third(server);
  CHECK(first.ask(request(1, "ping")).status == 200);
  CHECK(second.ask(request(1, "ping")).status == 404);
  CHECK(third.ask(request(1, "ping")).status == 200);
}

TEST_CASE("a request that does not begin a session leaves none behind") {
  HttpServerProcess server(http_fixture_server());
  const HttpReply reply = ask_once(server.port(), post(request(1, "initialize")));
  CHECK(reply.code() == -32602);
  CHECK(reply.header("Mcp-Session-Id").empty());
}

TEST_CASE("cases 8 and 9: notifications and responses are 202; an unknown method is an error in a 200") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  CHECK(client.ask({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}}).status == 202);
  CHECK(client.ask({{"jsonrpc", "2.0"}, {"method", "notifications/nonsense"}}).body.empty());
  CHECK(client.ask({{"jsonrpc", "2.0"}, {"id", 7}, {"result", Json::object()}}).status == 202);
  const HttpReply unknown = client.ask(request(1, "no/such"));
  CHECK(unknown.status == 200);
  CHECK(unknown.code() == -32601);
}

TEST_CASE("a quick call is answered with JSON, a longer one with a stream that has ids and begins with one") {
  HttpServerProcess server(http_fixture_server());
  for (const bool primed : {true, false}) {
    const Client client(server, primed ? "2025-11-25" : "2025-06-18");
    CHECK(client.ask(wait_call(1, 1)).header("Content-Type") == "application/json");
    HttpConnection caller(server.port());
    const HttpReply head = caller.ask(post(wait_call(2, 700), client.headers()));
    CHECK(head.header("Content-Type") == "text/event-stream");
    CHECK(head.header("X-Accel-Buffering") == "no");
    std::optional<ServerEvent> event = caller.next_event();
    if (primed) {
      CHECK(event->data.empty());
      CHECK_FALSE(event->id.empty());
      event = caller.next_event();
    }
    CHECK(event->json()["id"] == 2);
    CHECK_FALSE(event->id.empty());
    CHECK_FALSE(caller.next_event().has_value());
    CHECK(caller.stream_ended());
    CHECK(caller.ask(post(request(3, "ping"), client.headers())).json()["id"] == 3);  // the connection goes on
  }
}

TEST_CASE("case 20: progress has the caller's token, rises, and ends with the result") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  for (const Json& token : {Json("t"), Json(7), Json(0)}) {
    HttpConnection caller(server.port());
    CHECK(caller.ask(post(wait_call(1, 600, {{"progressToken", token}}), client.headers())).status == 200);
    double last = 0;
    int count = 0;
    Json message = caller.next_message();
    for (; message.contains("method"); message = caller.next_message()) {
      CHECK(message["params"]["progressToken"].dump() == token.dump());
      CHECK(message["params"]["progress"].get<double>() > last);
      last = message["params"]["progress"].get<double>();
      ++count;
    }
    CHECK(message["id"] == 1);
    CHECK(count >= 2);
    CHECK_FALSE(caller.next_event().has_value());
  }
}

TEST_CASE("case 21: a cancelled call ends without a reply, and its answer with it; the others go on") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection mine(server.port());
  CHECK(mine.ask(post(wait_call("mine", 600000, {{"progressToken", "p"}}), client.headers())).status == 200);
  HttpConnection unopened(server.port());
  unopened.send(post(wait_call("other", 600000), client.headers()));
  std::this_thread::sleep_for(milliseconds(50));
  CHECK(client.ask(cancelled("unknown")).status == 202);
  CHECK(client.ask(cancelled(nullptr)).status == 202);
  CHECK(client.ask(cancelled("mine")).status == 202);
  CHECK(client.ask(cancelled("other")).status == 202);
  while (const std::optional<ServerEvent> event = mine.next_event()) {
    if (!event->data.empty()) CHECK(event->json().contains("method"));
  }
  CHECK(mine.stream_ended());
  if (unopened.read_reply().status == 200) {  // on a slow machine, a stream by now
    CHECK(unopened.next_event().value_or(ServerEvent{}).data.empty());
    CHECK_FALSE(unopened.next_event().has_value());
  }
  CHECK(client.ask(wait_call("mine", 1)).json()["result"]["structuredContent"]["text"] == "waited");
}

TEST_CASE("case 22: cancelling as calls complete leaves each request with one answer") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection caller(server.port());
  HttpConnection canceller(server.port());
  int answered = 0;
  for (int id = 1; id <= 200; ++id) {
    caller.send(post(wait_call(id, id % 3), client.headers()));
    CHECK(canceller.ask(post(cancelled(id), client.headers())).status == 202);
    const HttpReply reply = caller.read_reply();
    if (reply.header("Content-Type") == "text/event-stream") {  // on a slow machine
      while (const std::optional<ServerEvent> event = caller.next_event()) answered += event->data.empty() ? 0 : 1;
    } else if (reply.status == 200) {
      CHECK(reply.json()["id"] == id);
      ++answered;
    } else {
      REQUIRE(reply.status == 202);
    }
  }
  CHECK(answered <= 200);
  MESSAGE("not cancelled in time: ", answered, " of 200");
}

TEST_CASE("case 23: fifty calls at once are answered once each, and lists meanwhile are quick") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  std::vector<HttpConnection> callers;
  for (int id = 0; id < 50; ++id) {
    callers.emplace_back(server.port());
    callers.back().send(post(wait_call(id, 1000), client.headers()));
  }
  const auto start = steady_clock::now();
  CHECK(client.ask(request("list", "tools/list")).json()["result"]["tools"].size() == 6);
  CHECK(steady_clock::now() - start < seconds(1));
  for (int id = 0; id < 50; ++id) {
    HttpConnection& caller = callers[static_cast<size_t>(id)];
    CHECK(caller.read_result()["id"] == id);
    CHECK_FALSE(caller.next_event(milliseconds(1)).has_value());
  }
}

TEST_CASE("case 32: a call goes on without its client, which gets the rest of that stream and of no other") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection other(server.port());
  CHECK(other.ask(post(wait_call("other", 900, {{"progressToken", "o"}}), client.headers())).status == 200);
  {
    HttpConnection caller(server.port());
    CHECK(caller.ask(post(wait_call("mine", 900, {{"progressToken", "p"}}), client.headers())).status == 200);
    while (caller.next_message().value("method", "") != "notifications/progress") {
    }
  }
  // The first request of the session had stream 1, the second stream 2; its priming event was number 0.
  std::this_thread::sleep_for(milliseconds(1000));  // it ends while nobody listens
  HttpConnection back(server.port());
  CHECK(back.ask(client.get({{"Last-Event-ID", "2-1"}})).status == 200);
  std::vector<Json> messages;
  std::string final_id;
  while (const std::optional<ServerEvent> event = back.next_event()) {
    if (event->data.empty()) continue;
    messages.push_back(event->json());
    final_id = event->id;
  }
  CHECK(back.stream_ended());
  REQUIRE(messages.size() >= 2);
  for (size_t i = 0; i + 1 < messages.size(); ++i) CHECK(messages[i]["params"]["progressToken"] == "p");
  CHECK(messages.back()["id"] == "mine");
  CHECK(messages.back()["result"]["structuredContent"]["text"] == "waited");
  HttpConnection once_more(server.port());
  CHECK(once_more.ask(client.get({{"Last-Event-ID", final_id}})).status == 200);
  CHECK_FALSE(once_more.next_event(seconds(2)).value_or(ServerEvent{}).data.size() > 0);
}

TEST_CASE("case 32: a stream is taken over while its call runs") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection caller(server.port());
  CHECK(caller.ask(post(wait_call(1, 1200, {{"progressToken", "p"}}), client.headers())).status == 200);
  const std::string primed = caller.next_event()->id;
  HttpConnection successor(server.port());
  CHECK(successor.ask(client.get({{"Last-Event-ID", primed}})).status == 200);
  while (caller.next_event()) {
  }
  CHECK(caller.stream_ended());
  Json message = successor.next_message();
  CHECK(message["method"] == "notifications/progress");
  while (message.contains("method")) message = successor.next_message();
  CHECK(message["id"] == 1);
}

TEST_CASE("events of another session, or of none, are not given out") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection caller(server.port());
  CHECK(caller.ask(post(wait_call(1, 600, {{"progressToken", "p"}}), client.headers())).status == 200);
  const std::string id = caller.next_event()->id;
  const Client stranger(server);
  for (const std::string& wrong : {id, std::string("99-1"), std::string("x"), std::string("1-"), std::string("-1")}) {
    CAPTURE(wrong);
    CHECK(ask_once(server.port(), stranger.get({{"Last-Event-ID", wrong}})).status == 400);
  }
}

TEST_CASE("an event that has never been is not resumed after, nor one whose successors are lost") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection caller(server.port());
  CHECK(caller.ask(post(wait_call(1, 600, {{"progressToken", "p"}}), client.headers())).status == 200);
  const std::string id = caller.next_event()->id;
  const std::string stream = id.substr(0, id.find('-'));
  for (const std::string& wrong : {stream + "-1000", std::string("0-1"), std::string("0-18446744073709551615")}) {
    CAPTURE(wrong);
    CHECK(ask_once(server.port(), client.get({{"Last-Event-ID", wrong}})).status == 400);
  }
  HttpConnection listener(server.port());
  CHECK(listener.ask(client.get({{"Last-Event-ID", "0-0"}})).status == 200);
}

TEST_CASE("who listens gets one stream at a time, which the end of the session ends, as it does calls") {
  HttpServerProcess server(http_fixture_server());
  const Client client(server);
  HttpConnection first(server.port());
  CHECK(first.ask(client.get()).header("Content-Type") == "text/event-stream");
  HttpConnection second(server.port());
  CHECK(second.ask(client.get()).status == 200);
  while (first.next_event()) {
  }
  CHECK(first.stream_ended());
  HttpConnection caller(server.port());
  caller.send(post(wait_call(1, 600000), client.headers()));
  HttpConnection streamed(server.port());
  CHECK(streamed.ask(post(wait_call(2, 600000, {{"progressToken", 1}}), client.headers())).status == 200);
  CHECK(ask_once(server.port(), http_request("DELETE", "", client.headers())).status == 204);
  CHECK(caller.read_reply().status == 404);
  while (streamed.next_event()) {
  }
  CHECK(streamed.stream_ended());
  while (second.next_event()) {
  }
  CHECK(second.stream_ended());
}

}  // namespace
}  // namespace amk::test
