// HTTP as such, against real processes: what is let in, what is refused, and with which status.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "mcp/http_client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kMessageBytesMax = 16U << 20U;
constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

Json modern_list(const Json& id) { return modern_request(id, "tools/list"); }

Json modern_call(const Json& id, const std::string& tool, const Json& arguments) {
  return modern_request(id, "tools/call", {{"name", tool}, {"arguments", arguments}});
}

/// An echo of a text such that the whole message has `bytes`.
Json message_of_size(size_t bytes) {
  const auto with = [&](size_t size) { return modern_call(1, "echo", {{"text", std::string(size, 'x')}}); };
  return with(bytes - with(0).dump().size());
}

std::filesystem::path token_file(const TempDirectory& scratch, const std::string& content, mode_t mode = 0600) {
  const std::filesystem::path path = scratch.path() / "token";
  std::ofstream(path) << content;
  ::chmod(path.c_str(), mode);
  return path;
}

/// How the program ends that is started so.
int exit_code(const TempDirectory& scratch, const std::vector<std::string>& options) {
  return McpProcess(amk_mcp(scratch.path(), options)).wait().code;
}

TEST_CASE("case 4: a body of 16 MiB is served; a byte more is 413, and so is one that only comes to it") {
  HttpServerProcess server(http_fixture_server());
  HttpConnection client(server.port());
  client.send(modern_post(message_of_size(kMessageBytesMax)));
  const Json served = client.read_result();
  CHECK(served["result"]["structuredContent"]["text"].get<std::string>().size() > kMessageBytesMax - 500);
  const HttpReply refused = ask_once(server.port(), modern_post(message_of_size(kMessageBytesMax + 1)));
  CHECK(refused.status == 413);
  CHECK(refused.code() == -32600);
  HttpConnection chunked(server.port());
  chunked.send(http_request("POST", "", {{"Content-Length", ""}, {"Transfer-Encoding", "chunked"}}));
  std::jthread writer([&] {
    const std::string chunk = "100000\r\n" + std::string(0x100000, ' ') + "\r\n";
    for (int i = 0; i < 17; ++i) chunked.send(chunk);
  });
  CHECK(chunked.read_reply().status == 413);
  writer.join();
  CHECK(ask_once(server.port(), modern_post(modern_list(1))).status == 200);
}

TEST_CASE("case 5: a batch is 400, and none of it is done") {
  HttpServerProcess server(http_fixture_server());
  const HttpReply reply = ask_once(
      server.port(), http_request("POST", "[" + request(1, "ping").dump() + "," + request(2, "ping").dump() + "]"));
  CHECK(reply.status == 400);
  CHECK(reply.code() == -32600);
  CHECK(reply.json()["id"].is_null());
}

TEST_CASE("cases 6 and 7: what is no message is 400, and ids come back as they were") {
  HttpServerProcess server(http_fixture_server());
  const auto code = [&](const std::string& body) {
    const HttpReply reply = ask_once(server.port(), http_request("POST", body));
    CHECK(reply.status == 400);
    return reply.code();
  };
  CHECK(code(R"({"id":1,"method":"ping"})") == -32600);
  CHECK(code(R"({"jsonrpc":"2.0","id":1,"method":7})") == -32600);
  CHECK(code(R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})") == -32600);
  CHECK(code(R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[1]})") == -32602);
  CHECK(code(std::string(200, '[') + std::string(200, ']')) == -32600);
  for (const Json& id : {Json("a\"b\xc3\xa4"), Json(0), Json(-3), Json(9007199254740993)}) {
    CHECK(ask_once(server.port(), modern_post(modern_list(id))).json()["id"].dump() == id.dump());
  }
}

TEST_CASE("case 27: pages of elsewhere are 403, and so is a name that is not ours") {
  HttpServerProcess server(http_fixture_server());
  const auto status = [&](const Headers& more) {
    return ask_once(server.port(), modern_post(modern_list(1), more)).status;
  };
  for (const char* origin :
       {"http://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example",
        "http://evil.example/127.0.0.1", "file://", "http://127.0.0.1@evil.example"}) {
    CAPTURE(origin);
    CHECK(status({{"Origin", origin}}) == 403);
  }
  for (const char* origin : {"http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:80"}) {
    CAPTURE(origin);
    CHECK(status({{"Origin", origin}}) == 200);
  }
  for (const char* host : {"evil.example", "evil.example:8330", "127.0.0.1.evil.example", "localhost:x", "[::1"}) {
    CAPTURE(host);
    CHECK(status({{"Host", host}}) == 403);
  }
  for (const char* host : {"localhost", "LOCALHOST:8330", "127.0.0.1:9", "[::1]:8330"})
    CHECK(status({{"Host", host}}) == 200);
  CHECK(status({{"Host", ""}}) == 400);
}

TEST_CASE("case 30: what is not there is 404 or 405, never 500, and the connection goes on") {
  HttpServerProcess server(http_fixture_server());
  HttpConnection client(server.port());
  CHECK(client.ask(http_request("GET", "")).status == 405);
  CHECK(client.ask(http_request("GET", "", {{"MCP-Protocol-Version", "2026-07-28"}})).header("Allow") == "POST");
  CHECK(client.ask(http_request("DELETE", "", {{"MCP-Protocol-Version", "2026-07-28"}})).status == 405);
  CHECK(client.ask(http_request("GET", "", {{"MCP-Protocol-Version", "2025-11-25"}})).status == 400);
  CHECK(client.ask(http_request("DELETE", "")).status == 400);
  for (const char* path : {"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server/mcp", "/",
                           "/mcp/", "/../etc/passwd", "/mcp/%2e%2e"}) {
    CAPTURE(path);
    CHECK(client.ask(http_request("GET", "", {}, path)).status == 404);
  }
  for (const char* method : {"OPTIONS", "HEAD", "PUT", "BREW"}) {
    CAPTURE(method);
    CHECK(ask_once(server.port(), http_request(method, "")).status == 405);
  }
  CHECK(client.ask(modern_post(modern_list(1))).status == 200);
}

TEST_CASE("case 31: what cannot be read or answered is 406, 415 or 400, with a JSON body") {
  HttpServerProcess server(http_fixture_server());
  const auto reply = [&](const Headers& more) { return ask_once(server.port(), modern_post(modern_list(1), more)); };
  for (const char* accept : {"", "application/json", "text/event-stream", "text/html, image/*"}) {
    CAPTURE(accept);
    CHECK(reply({{"Accept", accept}}).status == 406);
  }
  for (const char* accept : {"*/*", "text/*, application/json;q=0.9", "TEXT/EVENT-STREAM,Application/JSON"}) {
    CAPTURE(accept);
    CHECK(reply({{"Accept", accept}}).status == 200);
  }
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"}) {
    CAPTURE(type);
    CHECK(reply({{"Content-Type", type}}).status == 415);
  }
  CHECK(reply({{"Content-Type", "application/json; charset=utf-8"}}).status == 200);
  CHECK(reply({{"Accept", ""}}).code() == -32600);
  for (const char* body : {"", "{", "{\"jsonrpc\":\"2.0\xff\"}"}) {
    const HttpReply bad = ask_once(server.port(), http_request("POST", body));
    CHECK(bad.status == 400);
    CHECK(bad.code() == -32700);
  }
  CHECK(reply({{"X-Long", std::string(40000, 'x')}}).status == 431);
  CHECK(ask_once(server.port(), "what is this\r\n\r\n").status == 400);
  CHECK(ask_once(server.port(), http_request("POST", "{}", {{"content-length", "-1"}})).status == 400);
}

TEST_CASE("a header that decides and is there twice is 400") {
  HttpServerProcess server(http_fixture_server());
  const std::string twice = "Origin: http://localhost\r\nOrigin: http://evil.example\r\nContent-Type:";
  std::string bytes = modern_post(modern_list(1));
  bytes.replace(bytes.find("Content-Type:"), 13, twice);
  CHECK(ask_once(server.port(), bytes).status == 400);
}

TEST_CASE("requests may come in any pieces, together, and before they are invited") {
  HttpServerProcess server(http_fixture_server());
  HttpConnection client(server.port());
  for (const char byte : modern_post(modern_list("slow"))) client.send(std::string(1, byte));
  CHECK(client.read_reply().json()["id"] == "slow");
  client.send(modern_post(modern_list(1)) + modern_post(modern_call(2, "wait", {{"ms", 50}})) +
              modern_post(modern_list(3)));
  for (int id = 1; id <= 3; ++id) CHECK(client.read_reply().json()["id"] == id);
  CHECK(client.ask(modern_post(modern_list(4), {{"Expect", "100-continue"}})).json()["id"] == 4);
  client.send(http_request("POST", "", {{"Content-Length", ""}, {"Transfer-Encoding", "chunked"}}));
  client.send("2\r\n{\"\r\n1\r\n}\r\n0\r\n\r\n");
  CHECK(client.read_reply().code() == -32700);
  CHECK(client.ask(modern_post(modern_list(5), {{"Connection", "close"}})).json()["id"] == 5);
  CHECK(client.ends_within(seconds(5)));
}

TEST_CASE("case 34: it listens on 127.0.0.1, and elsewhere only with a token") {
  TempDirectory scratch;
  {
    HttpServerProcess server(amk_mcp(scratch.path()));
    CHECK(server.announcement() == "listening on http://127.0.0.1:" + std::to_string(server.port()) + "/mcp");
  }
  CHECK(exit_code(scratch, {"--http", "--port", "0", "--host", "0.0.0.0"}) == 2);
  CHECK(exit_code(scratch, {"--http", "--port", "0", "--host", "amk.example"}) == 2);
  CHECK(exit_code(scratch, {"--http", "--token-file", (scratch.path() / "none").string()}) == 3);
  CHECK(exit_code(scratch, {"--http", "--token-file", token_file(scratch, "too short").string()}) == 3);
  CHECK(exit_code(scratch, {"--http", "--token-file", token_file(scratch, kToken, 0644).string()}) == 3);
}

TEST_CASE("with a token, whoever lacks it is 401; neither it nor what was sent as one is in the log") {
  TempDirectory scratch;
  const std::string token = token_file(scratch, std::string("\n ") + kToken + " \n").string();
  const std::filesystem::path log = scratch.path() / "log";
  const std::string wrong = "0123456789abcdef0123456789abcdeF";
  {
    HttpServerProcess server(amk_mcp(scratch.path(), {"--token-file", token, "--log-file", log.string()}));
    const auto status = [&](const std::string& authorization) {
      return ask_once(server.port(), modern_post(modern_list(1), {{"Authorization", authorization}})).status;
    };
    CHECK(status(std::string("Bearer ") + kToken) == 200);
    CHECK(status(std::string("bearer ") + kToken) == 200);
    for (const std::string& bad :
         {std::string(), std::string("Bearer "), "Bearer " + wrong, std::string("Basic ") + kToken,
          std::string("Bearer ") + kToken + "0", std::string(kToken)}) {
      CHECK(status(bad) == 401);
    }
    const HttpReply refused = ask_once(server.port(), http_request("GET", "", {}, std::string("/mcp?token=") + kToken));
    CHECK(refused.header("WWW-Authenticate") == "Bearer");
    CHECK(ask_once(server.port(), http_request("GET", "", {}, "/.well-known/x")).status == 404);
  }
  const std::string text = slurp(log);
  CHECK(text.find("\"method\":\"tools/list\"") != std::string::npos);
  CHECK(text.find("http 401 to POST /mcp") != std::string::npos);
  CHECK(text.find(kToken) == std::string::npos);
  CHECK(text.find(wrong) == std::string::npos);
}

TEST_CASE("an allowed origin may connect, and its host is a name of the server's") {
  TempDirectory scratch;
  HttpServerProcess server(amk_mcp(scratch.path(), {"--allowed-origin", "https://amk.example.com/"}));
  const auto status = [&](const Headers& more) {
    return ask_once(server.port(), modern_post(modern_list(1), more)).status;
  };
  CHECK(status({{"Origin", "https://amk.example.com"}, {"Host", "amk.example.com"}}) == 200);
  CHECK(status({{"Origin", "http://amk.example.com"}}) == 403);
  CHECK(status({{"Host", "example.com"}}) == 403);
}

TEST_CASE("wrong options of HTTP end the program with 2") {
  TempDirectory scratch;
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--stdio", "--http"},
                                             {"--port", "8330"},
                                             {"--http", "--port", "65536"},
                                             {"--http", "--port", "80x"},
                                             {"--http", "--exclude-tools", "amk_no"}}) {
    CHECK(exit_code(scratch, wrong) == 2);
  }
}

TEST_CASE("case 17: the program lists the same over HTTP as over stdio, every time; --exclude-tools leaves tools out") {
  TempDirectory scratch;
  McpProcess stdio(amk_mcp(scratch.path()));
  const Json wanted = stdio.ask(modern_list(1))["result"];
  HttpServerProcess server(amk_mcp(scratch.path()));
  const HttpReply first = ask_once(server.port(), modern_post(modern_list(1)));
  CHECK(first.json()["result"].dump() == wanted.dump());
  CHECK(ask_once(server.port(), modern_post(modern_list(1))).body == first.body);
  HttpServerProcess fewer(amk_mcp(scratch.path(), {"--exclude-tools", "amk_bench,amk_eval"}));
  const Json left = ask_once(fewer.port(), modern_post(modern_list(1))).json()["result"]["tools"];
  CHECK(left.size() == wanted["tools"].size() - 2);
}

// Alone on the machine, as the ctest entry mcp_http_speed.
TEST_CASE("speed: from start to first reply it takes less than 50 ms, and tools/list less than 5 ms" *
          doctest::skip()) {
  TempDirectory scratch;
  double first = 1e9;
  double list = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = steady_clock::now();
    HttpServerProcess server(amk_mcp(scratch.path()));
    HttpConnection client(server.port());
    CHECK(client.ask(modern_post(modern_list(1))).status == 200);
    first = std::min(first, std::chrono::duration<double, std::milli>(steady_clock::now() - start).count());
    for (int i = 0; i < 10; ++i) {
      const auto again = steady_clock::now();
      CHECK(client.ask(modern_post(modern_list(2))).status == 200);
      list = std::min(list, std::chrono::duration<double, std::milli>(steady_clock::now() - again).count());
    }
  }
  MESSAGE("first reply after ", first, " ms, tools/list ", list, " ms");
  CHECK(first < 50.0 * SPEED_LIMIT_FACTOR);
  CHECK(list < 5.0 * SPEED_LIMIT_FACTOR);
}

// What it is on a quiet machine bench/mcp_http_bench says: several thousands. 500 leave room for a machine that is not.
TEST_CASE("speed: amk_propose of one model is answered more than 500 times a second" * doctest::skip()) {
  constexpr int kClients = 4;
  TempDirectory scratch;
  HttpServerProcess server(amk_mcp(scratch.path()));
  const Json params = {{"name", "amk_propose"}, {"arguments", {{"model", "toy"}, {"gpu", "h100"}}}};
  const std::string message = modern_post(modern_request(1, "tools/call", params));
  CHECK(ask_once(server.port(), message).json()["result"]["isError"] == false);
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  const auto begin = steady_clock::now();
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      HttpConnection client(server.port());
      while (steady_clock::now() < begin + seconds(1)) answered += client.ask(message).status == 200 ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  const double took = std::chrono::duration<double>(steady_clock::now() - begin).count();
  MESSAGE((answered / took), " a second");
  CHECK(answered / took > 500.0 / SPEED_LIMIT_FACTOR);
}

TEST_CASE("case 24: SIGTERM and SIGINT end the server within seconds; calls in flight are told") {
  for (const int number : {SIGTERM, SIGINT}) {
    HttpServerProcess server(http_fixture_server());
    const std::string session = begin_session(server.port());
    HttpConnection listener(server.port());
    CHECK(listener.ask(http_request("GET", "", {{"Mcp-Session-Id", session}})).status == 200);
    HttpConnection caller(server.port());
    caller.send(modern_post(modern_call(1, "wait", {{"ms", 600000}})));
    HttpConnection silent(server.port());
    std::this_thread::sleep_for(milliseconds(100));
    const auto start = steady_clock::now();
    server.signal(number);
    CHECK(caller.read_result()["result"]["structuredContent"]["text"] == "stopped");
    while (listener.next_event()) {
    }
    CHECK(listener.stream_ended());
    CHECK(server.wait() == 0);
    CHECK(steady_clock::now() - start < seconds(4));
  }
}

TEST_CASE("case 26: what a library or a child prints is no part of an answer") {
  HttpServerProcess server(http_fixture_server());
  const HttpReply reply = ask_once(server.port(), modern_post(modern_call(1, "print", Json::object())));
  CHECK(reply.json()["result"]["structuredContent"]["text"] == "printed");
}

}  // namespace
}  // namespace amk::test
