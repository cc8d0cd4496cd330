// What needs no process: secrets, origins, headers, ids of events, and the bytes of responses.
#include <doctest/doctest.h>

#include <csignal>
#include <optional>
#include <string>

#include "mcp/core/message.h"
#include "mcp/http/access.h"
#include "mcp/http/http_server.h"
#include "mcp/http/reply_stream.h"
#include "mcp/http/request_checks.h"

namespace amk::mcp {
namespace {

/// Keeps what it is given.
class Recorder : public Exchange {
 public:
  void respond(HttpResponse response) override { responses.push_back(std::move(response)); }
  bool open_stream(const std::vector<HttpHeader>&) override { return opens ? (open = true) : false; }
  void write(std::string_view events) override { text += events; }
  void end_stream() override { ended = true; }

  bool opens = true;
  bool open = false;
  bool ended = false;
  std::string text;
  std::vector<HttpResponse> responses;
};

Outgoing progress(const std::string& text) { return {text, false, 0}; }
Outgoing result(const std::string& text) { return {text, true, 0}; }

TEST_CASE("a secret is the same only as itself") {
  CHECK(same_secret("0123456789abcdef", "0123456789abcdef"));
  for (const char* other :
       {"", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", "0123456789abcdef0123456789abcdef"}) {
    CHECK_FALSE(same_secret(other, "0123456789abcdef"));
  }
  CHECK_FALSE(same_secret("", ""));
  CHECK(random_id() != random_id());
}

TEST_CASE("addresses of loopback are those of this machine alone") {
  for (const char* address : {"127.0.0.1", "127.9.9.9", "::1"}) CHECK(is_loopback_address(address));
  for (const char* address : {"0.0.0.0", "128.0.0.1", "::", "localhost", "127.1", "", "::ffff:10.0.0.1"}) {
    CHECK_FALSE(is_loopback_address(address));
  }
}

TEST_CASE("a server on all addresses is known by any address, and by no name that it was not told") {
  Access access;
  access.address = "0.0.0.0";
  CHECK(access.knows_host("192.168.1.7:8330"));
  CHECK(access.knows_host("[fe80::1]:8330"));
  CHECK_FALSE(access.knows_host("rebound.example:8330"));
  access.allowed_origins = {"https://amk.example.com"};
  CHECK(access.knows_host("amk.example.com"));
}

TEST_CASE("ids of events are two numbers") {
  CHECK(parse_event_id("3-17")->stream == 3);
  CHECK(parse_event_id("3-17")->event == 17);
  for (const char* bad : {"", "-", "3", "3-", "-3", "3-17x", "x3-17", "3--1", "99999999999999999999-1"}) {
    CHECK_FALSE(parse_event_id(bad).has_value());
  }
}

TEST_CASE("a reply without anything before it is a JSON body, and an unknown method of the modern era 404") {
  size_t in_flight = 0;
  const auto recorder = std::make_shared<Recorder>();
  ReplyStream stream({0, false, false, true, &in_flight}, recorder);
  CHECK(in_flight == 1);
  stream.deliver({"{}", true, static_cast<int>(RpcCode::kMethodNotFound)});
  CHECK(recorder->responses.at(0).status == 404);
  CHECK(stream.finished());
  CHECK(in_flight == 0);
  stream.deliver(result("more"));
  CHECK(recorder->responses.size() == 1);
}

TEST_CASE("a stream that cannot be opened ends with the reply as JSON") {
  size_t in_flight = 0;
  const auto recorder = std::make_shared<Recorder>();
  recorder->opens = false;
  ReplyStream stream({1, true, true, false, &in_flight}, recorder);
  stream.deliver(progress("p"));
  stream.deliver(result("r"));
  CHECK(recorder->responses.at(0).body == "r");
  CHECK(recorder->text.empty());
}

TEST_CASE("what is kept of a stream is bounded, and the newest event always is") {
  size_t in_flight = 0;
  const auto first = std::make_shared<Recorder>();
  ReplyStream stream({7, true, true, false, &in_flight}, first);
  stream.open();
  stream.detach();
  const std::string large(ReplyStream::kKeptBytesMax / 4, 'x');
  CHECK(stream.keeps_after(0));
  for (int i = 0; i < 100; ++i) stream.deliver(progress(large));
  CHECK_FALSE(stream.keeps_after(0));
  CHECK_FALSE(stream.keeps_after(50));
  CHECK(stream.keeps_after(99));
  CHECK(stream.keeps_after(100));
  CHECK_FALSE(stream.keeps_after(101));
  CHECK(stream.kept_bytes() <= ReplyStream::kKeptBytesMax);
  stream.deliver(result(std::string(ReplyStream::kKeptBytesMax * 2, 'r')));
  const auto second = std::make_shared<Recorder>();
  CHECK(stream.resume(second, 0));
  CHECK(second->text.find("id: 7-101\ndata: rrr") != std::string::npos);
  CHECK(second->ended);
}

TEST_CASE("who comes without an id gets what nobody was given") {
  ReplyStream stream({0, true, true, false, nullptr}, nullptr);
  stream.deliver(progress("early"));
  const auto first = std::make_shared<Recorder>();
  CHECK(stream.resume(first, std::nullopt));
  CHECK(first->text.find("id: 0-0\n") != std::string::npos);
  CHECK(first->text.find("id: 0-1\ndata: early\n\n") != std::string::npos);
  stream.deliver(progress("live"));
  CHECK(first->text.find("data: live\n\n") != std::string::npos);
  const auto second = std::make_shared<Recorder>();
  CHECK(stream.resume(second, std::nullopt));
  CHECK(first->ended);
  CHECK(second->text.find("data: live") == std::string::npos);
}

TEST_CASE("a signal that comes before the server runs ends it in order") {
  struct Nobody final : HttpHandler {
    std::optional<HttpResponse> refusal(const HttpRequest&) override { return std::nullopt; }
    void handle(HttpRequest, ExchangePtr) override {}
    HttpResponse wording(int status, const std::string&) const override { return {status, "", "", {}}; }
    void tick() override {}
    void begin_stop() override { stopped = true; }
    bool stopped = false;
  };
  const auto server = HttpServer::listen("127.0.0.1", 0, HttpLimits{});
  REQUIRE(server.ok());
  std::raise(SIGTERM);  // what it is told who reads "listening on" and sends it at once
  Nobody handler;
  (*server)->run(handler);
  CHECK(handler.stopped);
}

TEST_CASE("responses have their length, and say when they are the last") {
  const std::string bytes = response_bytes({404, "application/json", "{}", {{"Allow", "POST"}}}, false);
  CHECK(bytes ==
        "HTTP/1.1 404 Not Found\r\nAllow: POST\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\n{}");
  CHECK(response_bytes({204, "", "", {}}, true) == "HTTP/1.1 204 No Content\r\n\r\n");
}

}  // namespace
}  // namespace amk::mcp
