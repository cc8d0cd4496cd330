// The transport, against real processes: whatever the client writes, whenever it leaves.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "mcp/client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kMessageBytesMax = 16U << 20U;

Json ping(const Json& id) { return request(id, "ping"); }

Json wait_call(const Json& id, int ms) {
  return request(id, "tools/call", {{"name", "wait"}, {"arguments", {{"ms", ms}}}});
}

/// An echo of a text such that the whole message has `bytes`, its line end not counted.
std::string message_of_size(const Json& id, size_t bytes) {
  const auto with = [&](size_t size) {
    return request(id, "tools/call", {{"name", "echo"}, {"arguments", {{"text", std::string(size, 'x')}}}}).dump();
  };
  return with(bytes - with(0).size());
}

TEST_CASE("case 1: a line that is no JSON is answered, and so is the next") {
  McpProcess server(fixture_server());
  server.send_bytes("{\"jsonrpc\": \"2.0\", \n");
  const Json error = server.receive();
  CHECK(error["error"]["code"] == -32700);
  CHECK(error["id"].is_null());
  CHECK(server.ask(ping(1))["result"] == Json::object());
}

TEST_CASE("case 2: messages come in any pieces, with blank lines and CRLF, and are handled once each") {
  McpProcess server(fixture_server());
  server.send_bytes("\n\r\n  \n" + ping(1).dump() + "\r\n" + ping(2).dump() + "\n" + ping(3).dump() + "\n");
  const std::string last = ping(4).dump() + "\n";
  for (const char byte : last) server.send_bytes(std::string(1, byte));
  for (int id = 1; id <= 4; ++id) CHECK(server.receive()["id"] == id);
  CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
}

TEST_CASE("case 3: a last line needs no end, and the end of the input ends the server at once") {
  McpProcess server(fixture_server());
  const auto start = steady_clock::now();
  server.send_bytes(ping(1).dump());
  server.close_input();
  CHECK(server.receive()["id"] == 1);
  CHECK(server.wait().code == 0);
  CHECK(steady_clock::now() - start < seconds(2));
}

TEST_CASE("case 4: 16 MiB are served; a byte more is refused, and the next line is read") {
  McpProcess server(fixture_server());
  server.initialize();
  const auto send_and_reply = [&](const std::string& line, const Json& id) {
    const std::jthread writer([&] { server.send_bytes(line + "\n"); });
    return server.reply_to(id);
  };
  const Json served = send_and_reply(message_of_size(1, kMessageBytesMax), 1);
  CHECK(served["result"]["structuredContent"]["text"].get<std::string>().size() > kMessageBytesMax - 200);
  const Json refused = send_and_reply(message_of_size(2, kMessageBytesMax + 1), nullptr);
  CHECK(refused["error"]["code"] == -32600);
  CHECK(server.ask(ping(3)).contains("result"));
  CHECK_FALSE(server.try_receive(milliseconds(50)).has_value());
}

TEST_CASE("case 18: text that is no UTF-8 is refused on the way in, and mended on the way out") {
  McpProcess server(fixture_server());
  server.initialize();
  const auto echo = [](const std::string& json_text) {
    return R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":")" +
           json_text + "\"}}}\n";
  };
  server.send_bytes(echo("\xf0\x9f\x98\x80\\u0000"));
  CHECK(server.reply_to(1)["result"]["structuredContent"]["text"] == std::string("\xf0\x9f\x98\x80\0", 5));
  for (const char* bad : {"\\ud800", "\xff", "\xc3("}) {
    CAPTURE(bad);
    server.send_bytes(echo(bad));
    CHECK(server.receive()["error"]["code"] == -32700);
  }
  const Json odd = server.call("odd", Json::object());  // a line that is no UTF-8 would throw here
  CHECK(odd["structuredContent"]["text"].get<std::string>().starts_with("a\nb\xef\xbf\xbd"));
}

TEST_CASE("case 19: a result is one line, and has null for what is no number") {
  McpProcess server(fixture_server());
  server.initialize();
  const Json result = server.call("odd", Json::object());
  CHECK(result["structuredContent"]["nan"].is_null());
  CHECK(result["structuredContent"]["infinity"].is_null());
  CHECK(Json::parse(result["content"][0]["text"].get<std::string>()) == result["structuredContent"]);
}

TEST_CASE("case 24: calls end with the input, after a moment, and the server with them") {
  McpProcess server(fixture_server());
  server.initialize();
  server.send(wait_call(1, 300));
  server.send(wait_call(2, 600000));
  server.close_input();
  CHECK(server.reply_to(1)["result"]["structuredContent"]["text"] == "waited");
  CHECK(server.reply_to(2)["result"]["structuredContent"]["text"] == "stopped");
  CHECK(server.wait(seconds(5)).code == 0);
}

TEST_CASE("case 24: SIGTERM and SIGINT end the server within seconds, whatever runs") {
  for (const int number : {SIGTERM, SIGINT}) {
    McpProcess server(fixture_server());
    server.initialize();
    server.send(wait_call(1, 600000));
    std::this_thread::sleep_for(milliseconds(100));
    const auto start = steady_clock::now();
    server.signal(number);
    CHECK(server.wait().code == 0);
    CHECK(steady_clock::now() - start < seconds(2));
  }
}

TEST_CASE("case 24: SIGTERM ends a server whose output nobody reads") {
  McpProcess server(fixture_server());
  server.initialize();
  for (int id = 0; id < 40; ++id) server.send_bytes(message_of_size(id, 8192) + "\n");  // the pipe holds 64 KiB
  std::this_thread::sleep_for(milliseconds(200));
  server.signal(SIGTERM);
  CHECK(server.wait(seconds(5)).code == 0);
}

TEST_CASE("case 25: a client that closes the output ends the server without a signal") {
  McpProcess server(fixture_server());
  server.initialize();
  server.close_output();
  server.send(ping(1));
  const McpProcess::Exit exit = server.wait(seconds(5));
  CHECK(exit.signal == 0);
  CHECK(exit.code == 0);
}

TEST_CASE("case 26: what a library or a child prints is not among the messages") {
  McpProcess server(fixture_server());
  server.initialize();
  CHECK(server.call("print", Json::object())["structuredContent"]["text"] == "printed");
  CHECK(server.ask(ping(7))["id"] == 7);
  CHECK(server.seen().size() == 3);
}

TEST_CASE("a server without a standard stream says so and does not serve") {
  TempDirectory scratch;
  McpProcess server(
      {"/bin/sh", "-c", std::string("exec ") + AMK_MCP_PROGRAM + " --workspace " + scratch.path().string() + " <&-"});
  CHECK(server.wait().code == 3);
}

TEST_CASE("--log-file has every message, and only its owner may read it") {
  TempDirectory scratch;
  const std::filesystem::path log = scratch.path() / "mcp.log";
  {
    McpProcess server(amk_mcp(scratch.path(), {"--log-file=" + log.string()}));
    server.ask(ping(41));
    server.close_input();
    CHECK(server.wait().code == 0);
  }
  const std::string text = slurp(log);
  CHECK(text.find("in {\"jsonrpc\":\"2.0\",\"id\":41,\"method\":\"ping\"") != std::string::npos);
  CHECK(text.find("out {\"jsonrpc\":\"2.0\",\"id\":41,\"result\":{}}") != std::string::npos);
  CHECK((std::filesystem::status(log).permissions() & std::filesystem::perms::others_all) ==
        std::filesystem::perms::none);
}

TEST_CASE("wrong options end the program with what was expected") {
  TempDirectory scratch;
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--tool=a"}, {"--tools=amk_evil"}, {"--tools"}, {"--read-only=1"}}) {
    CHECK(McpProcess(amk_mcp(scratch.path(), wrong)).wait().code == 2);
  }
}

}  // namespace
}  // namespace amk::test
