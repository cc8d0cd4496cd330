// Threads that the system does not give: calls and watches are refused, and what has been begun goes on.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "mcp/client.h"
#include "mcp/core/call_threads.h"
#include "mcp/core/session.h"
#include "mcp/core/watcher.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;

/// Gives so many threads, and then none.
mcp::MakeThread only(int count) {
  return [count](std::function<void()> what) mutable {
    if (count-- <= 0) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    return std::thread(std::move(what));
  };
}

TEST_CASE("work without any thread is not taken; with one at hand it waits its turn") {
  mcp::CallThreads none(4, only(0));
  CHECK_FALSE(none.post([] {}));
  std::atomic<int> done = 0;
  {
    mcp::CallThreads one(4, only(1));
    for (int i = 0; i < 3; ++i) {
      CHECK(one.post([&] {
        std::this_thread::sleep_for(milliseconds(5));
        ++done;
      }));
    }
    for (int i = 0; i < 1000 && done < 3; ++i) std::this_thread::sleep_for(milliseconds(5));
  }
  CHECK(done == 3);
}

TEST_CASE("a call for which there is no thread is refused, and the session goes on and ends") {
  mcp::Tool tool;
  tool.name = "quick";
  tool.input_schema = {{"type", "object"}};
  tool.call = [](const mcp::Json&, mcp::CallContext&) { return mcp::ToolResult{}; };
  const mcp::Server server({"test", "Test", "1", ""}, {tool});
  mcp::CallThreads threads(4, only(0));
  Json last;
  {
    mcp::Session session(server, threads);
    const mcp::Send keep = [&](const mcp::Json& message) { last = Json::parse(mcp::to_line(message)); };
    for (int id = 1; id <= 2; ++id) {
      session.receive(modern_request(1, "tools/call", {{"name", "quick"}}).dump(), keep);
      CHECK(last["error"]["code"] == -32603);
      CHECK(last["error"]["message"].get<std::string>().find("thread") != std::string::npos);
    }
    session.receive(modern_request(2, "tools/list").dump(), keep);
    CHECK(last["id"] == 2);
  }
}

TEST_CASE("a watch for which there is no thread is refused, and the next one is taken") {
  int asked = 0;
  mcp::Watcher watcher(milliseconds(1), [&](std::function<void()> what) {
    if (++asked == 1) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    return std::thread(std::move(what));
  });
  std::atomic<int> told = 0;
  CHECK_FALSE(watcher.watch([] { return "b"; }, "a", [&] { ++told; }).has_value());
  CHECK(watcher.count() == 0);
  CHECK_FALSE(watcher.has_thread());
  CHECK(watcher.watch([] { return "b"; }, "a", [&] { ++told; }).has_value());
  for (int i = 0; i < 1000 && told == 0; ++i) std::this_thread::sleep_for(milliseconds(5));
  CHECK(told == 1);
}

}  // namespace
}  // namespace amk::test
