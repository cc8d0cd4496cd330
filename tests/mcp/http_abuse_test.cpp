// Case 33, against real processes: clients that are many, slow, silent or deaf cost others nothing.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "mcp/http_client.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

/// What bodies may take of the server's memory; a sanitizer keeps what is freed for a while.
constexpr size_t kMoreKib = (SPEED_LIMIT_FACTOR > 1 ? 512 : 64) * 1024;

std::string list() { return modern_post(modern_request(1, "tools/list")); }

Json call(const std::string& tool, const Json& arguments) {
  return modern_request(1, "tools/call", {{"name", tool}, {"arguments", arguments}});
}

/// Whether the server has that many descriptors within seconds.
bool settles_at(const HttpServerProcess& server, size_t files) {
  const auto end = steady_clock::now() + seconds(5);
  while (server.open_files() > files && steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(20));
  return server.open_files() <= files;
}

TEST_CASE("case 33: silent connections beyond the bound make room for those that come, and leave no descriptor") {
  HttpServerProcess server(http_fixture_server({"--connections-max", "64"}));
  CHECK(ask_once(server.port(), list()).status == 200);
  std::this_thread::sleep_for(milliseconds(100));
  const size_t before = server.open_files();
  {
    std::vector<HttpConnection> silent;
    for (int i = 0; i < 400; ++i) {
      silent.emplace_back(server.port());
      if (i % 4 == 0) silent.back().send("POST /mcp HT");
      if (i % 100 == 50) CHECK(ask_once(server.port(), list()).status == 200);
    }
    CHECK(ask_once(server.port(), list()).status == 200);
    CHECK(server.open_files() <= before + 65);
  }
  CHECK(ask_once(server.port(), list()).status == 200);
  CHECK(settles_at(server, before));
}

TEST_CASE("case 33: a request in flight is not what makes room") {
  HttpServerProcess server(http_fixture_server({"--connections-max", "8"}));
  HttpConnection caller(server.port());
  caller.send(modern_post(call("wait", {{"ms", 300}})));
  std::this_thread::sleep_for(milliseconds(50));
  std::vector<HttpConnection> silent;
  for (int i = 0; i < 40; ++i) silent.emplace_back(server.port());
  CHECK(caller.read_result()["result"]["structuredContent"]["text"] == "waited");
}

TEST_CASE("case 33: 64 idle streams are held, more than the bound are 503, and other requests are served") {
  HttpServerProcess server(http_fixture_server({"--streams-max", "64"}));
  const std::string session = begin_session(server.port());
  std::vector<HttpConnection> streams;
  for (int i = 0; i < 64; ++i) {
    const Headers headers = {{"Mcp-Session-Id", begin_session(server.port())}};
    streams.emplace_back(server.port());
    CHECK(streams.back().ask(http_request("GET", "", headers)).status == 200);
  }
  CHECK(ask_once(server.port(), http_request("GET", "", {{"Mcp-Session-Id", session}})).status == 503);
  const auto start = steady_clock::now();
  CHECK(ask_once(server.port(), list()).status == 200);
  CHECK(steady_clock::now() - start < seconds(1));
  // Where no stream may be opened, a call that takes longer is answered with JSON.
  CHECK(ask_once(server.port(), modern_post(call("wait", {{"ms", 600}}))).json()["id"] == 1);
  streams.clear();
  std::this_thread::sleep_for(milliseconds(100));
  HttpConnection again(server.port());
  CHECK(again.ask(http_request("GET", "", {{"Mcp-Session-Id", session}})).status == 200);
}

TEST_CASE("case 33: heads and bodies that come too slowly end their connection") {
  HttpServerProcess server(http_fixture_server({"--head-ms", "300", "--body-ms", "300"}));
  HttpConnection head(server.port());
  HttpConnection body(server.port());
  HttpConnection idle(server.port());
  const std::string whole = list();
  head.send(whole.substr(0, 20));
  body.send(whole.substr(0, whole.size() - 5));
  const auto start = steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(milliseconds(100));
    head.send(whole.substr(20U + static_cast<size_t>(i), 1));
    body.send(whole.substr(whole.size() - 5U + static_cast<size_t>(i), 1));
  }
  CHECK(head.ends_within(seconds(3)));
  CHECK(body.ends_within(seconds(3)));
  CHECK(steady_clock::now() - start < seconds(3));
  CHECK(idle.ask(whole).status == 200);
}

TEST_CASE("case 33: only so many large bodies are read at a time, and small ones meanwhile") {
  HttpServerProcess server(http_fixture_server({"--large-bodies-max", "2"}));
  const std::string large = modern_post(call("echo", {{"text", std::string(200'000, 'x')}}));
  std::vector<HttpConnection> uploads;
  for (int i = 0; i < 2; ++i) {
    uploads.emplace_back(server.port());
    uploads.back().send(large.substr(0, 100'000));
  }
  std::this_thread::sleep_for(milliseconds(100));
  const HttpReply refused = ask_once(server.port(), large);
  CHECK(refused.status == 503);
  CHECK(refused.header("Retry-After") == "1");
  CHECK(ask_once(server.port(), list()).status == 200);
  for (HttpConnection& upload : uploads) CHECK(upload.ask(large.substr(100'000)).status == 200);
  CHECK(ask_once(server.port(), large).status == 200);
}

TEST_CASE("case 33: who does not read is dropped, and what waits for it is bounded") {
  HttpServerProcess server(http_fixture_server({"--write-ms", "500"}));
  const size_t idle = server.open_files();
  const auto has_no_connection = [&] {
    for (int i = 0; i < 400 && server.open_files() > idle; ++i) std::this_thread::sleep_for(milliseconds(50));
    return server.open_files() <= idle;
  };
  CHECK(ask_once(server.port(), list()).status == 200);
  const size_t before = server.resident_kib();
  std::vector<HttpConnection> deaf;
  const std::string wanted = modern_post(call("echo", {{"text", std::string(60'000, 'x')}}));
  for (int i = 0; i < 16; ++i) {
    deaf.emplace_back(server.port());
    // Requests that are sent on and on: each answer waits for the one before it to be taken.
    std::string many;
    for (int k = 0; k < 8; ++k) many += wanted;
    deaf.back().send(many);
  }
  CHECK(ask_once(server.port(), list()).status == 200);
  CHECK(server.resident_kib() < before + kMoreKib);
  const std::string huge = modern_post(call("echo", {{"text", std::string(8U << 20U, 'x')}}));
  deaf.clear();
  CHECK(has_no_connection());
  HttpConnection slow(server.port());
  slow.send(huge);
  CHECK(has_no_connection());
  CHECK(slow.ends_within(seconds(5)));  // with its answer in the middle
  CHECK(ask_once(server.port(), list()).status == 200);
}

TEST_CASE("a server that may open few files serves within them") {
  rlimit old{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old) == 0);
  rlimit few = old;
  few.rlim_cur = 64;
  std::vector<HttpConnection> silent;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  HttpServerProcess server(http_fixture_server());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old) == 0);
  for (int i = 0; i < 200; ++i) silent.emplace_back(server.port());
  CHECK(ask_once(server.port(), list()).status == 200);
  CHECK(server.open_files() <= 64);
}

}  // namespace
}  // namespace amk::test
