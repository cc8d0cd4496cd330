// amk_propose's answers, which are kept: by what they depend on, one computation at a time, and quickly.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mcp/client.h"
#include "mcp/runs/run_store.h"
#include "mcp/runs/trace_index.h"
#include "mcp/tools/answer_cache.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

struct Caller final : mcp::CallContext {
  std::atomic<mcp::Stop> wanted = mcp::Stop::kNo;
  mcp::Stop stop() const override { return wanted; }
  void pause(milliseconds time) override { std::this_thread::sleep_for(time); }
  void progress(const std::string&) override {}
  void progress_of(double, double) override {}
  void log(mcp::LogLevel, const std::string&) override {}
  const mcp::Json& client_capabilities() const override { return nothing; }
  std::optional<mcp::Json> ask(const mcp::Json&) override { return std::nullopt; }
  const std::string& kept_state() const override { return no_state; }

  const mcp::Json nothing = mcp::Json::object();
  const std::string no_state;
};

mcp::ToolResult answer(const char* text) {
  mcp::ToolResult out;
  out.structured["text"] = text;
  return out;
}

mcp::ToolResult failed() { return mcp::failure({ErrorCode::kIo, "no luck", "", ""}); }

TEST_CASE("an answer is made once for its key, again when it is old, and a failure is not kept") {
  mcp::AnswerCache cache;
  Caller caller;
  int made = 0;
  const auto get = [&](const char* key, seconds age, bool good = true) {
    return cache.get(key, age, caller, [&] {
      ++made;
      return good ? answer(key) : failed();
    });
  };
  CHECK(get("a", seconds(60)).structured["text"] == "a");
  CHECK(get("a", seconds(60)).structured["text"] == "a");
  CHECK(made == 1);
  CHECK(get("b", seconds(60)).structured["text"] == "b");
  CHECK(made == 2);
  std::this_thread::sleep_for(milliseconds(2));
  get("a", seconds(0));
  CHECK(made == 3);
  CHECK(get("c", seconds(60), false).failed());
  CHECK_FALSE(get("c", seconds(60)).failed());
  CHECK(made == 5);
}

TEST_CASE("the answers asked for last are kept, and no more than so many") {
  mcp::AnswerCache cache(2);
  Caller caller;
  int made = 0;
  const auto get = [&](const char* key) {
    cache.get(key, seconds(60), caller, [&] {
      ++made;
      return answer(key);
    });
  };
  for (const char* key : {"a", "b", "a", "c", "a"}) get(key);
  CHECK(made == 3);
  CHECK(cache.count() == 2);
  get("b");
  CHECK(made == 4);
}

TEST_CASE("equal calls at one time share one computation; where its maker is stopped, another makes it") {
  mcp::AnswerCache cache;
  std::atomic<int> made = 0;
  Caller first;
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  threads.emplace_back([&] {
    cache.get("k", seconds(60), first, [&] {
      ++made;
      while (first.stop() == mcp::Stop::kNo) std::this_thread::sleep_for(milliseconds(1));
      return failed();
    });
  });
  while (made == 0) std::this_thread::sleep_for(milliseconds(1));
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Caller caller;
      const mcp::ToolResult result = cache.get("k", seconds(60), caller, [&] {
        ++made;
        return answer("k");
      });
      if (!result.failed()) ++good;
    });
  }
  std::this_thread::sleep_for(milliseconds(20));
  CHECK(made == 1);
  first.wanted = mcp::Stop::kCancelled;
  for (std::thread& thread : threads) thread.join();
  CHECK(made == 2);
  CHECK(good == 8);
}

TEST_CASE("a maker that throws is no answer: who waits for it makes it, and so does who comes later") {
  mcp::AnswerCache cache;
  std::atomic<bool> making = false;
  std::atomic<bool> go = false;
  std::atomic<int> good = 0;
  std::thread maker([&] {
    Caller caller;
    CHECK_THROWS_AS(cache.get("k", seconds(60), caller,
                              [&]() -> mcp::ToolResult {
                                making = true;
                                while (!go) std::this_thread::sleep_for(milliseconds(1));
                                throw std::runtime_error("no such luck");
                              }),
                    std::runtime_error);
  });
  while (!making) std::this_thread::sleep_for(milliseconds(1));
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < 3; ++i) {
    callers.push_back(std::make_unique<Caller>());
    threads.emplace_back([&, caller = callers.back().get()] {
      if (!cache.get("k", seconds(60), *caller, [] { return answer("k"); }).failed()) ++good;
    });
  }
  go = true;
  maker.join();
  for (int i = 0; i < 400 && good < 3; ++i) std::this_thread::sleep_for(milliseconds(5));
  for (const auto& caller : callers) caller->wanted = mcp::Stop::kCancelled;
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 3);
}

TEST_CASE("a caller who waits for another's answer can be stopped") {
  mcp::AnswerCache cache;
  std::atomic<bool> making = false;
  std::atomic<bool> done = false;
  std::thread maker([&] {
    Caller caller;
    cache.get("k", seconds(60), caller, [&] {
      making = true;
      while (!done) std::this_thread::sleep_for(milliseconds(1));
      return answer("k");
    });
  });
  while (!making) std::this_thread::sleep_for(milliseconds(1));
  Caller stopped;
  stopped.wanted = mcp::Stop::kCancelled;
  CHECK(cache.get("k", seconds(60), stopped, [] { return answer("never"); }).failed());
  done = true;
  maker.join();
}

void write_under(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST_CASE("the newest trace of a model is found when it has ended, whoever made it") {
  TempDirectory scratch;
  mcp::RunStore store(scratch.path());
  mcp::TraceIndex index(store);
  CHECK(index.newest("toy").is_null());
  const auto make = [&](const char* id, const char* tool, const char* model) {
    const Json request = {{"tool", tool}, {"arguments", {{"model", model}}}, {"started", ""}, {"started_unix", 1.0}};
    write_under(scratch.path() / "runs" / id / "request.json", request.dump());
  };
  const auto end = [&](const char* id) {
    write_under(scratch.path() / "runs" / id / "result.json", R"({"schedule_id":"s","trace":{"span_us":7}})");
  };
  make("20260101-000000000-trace-0001", "amk_trace", "toy");
  end("20260101-000000000-trace-0001");
  CHECK(index.newest("toy")["run_id"] == "20260101-000000000-trace-0001");
  CHECK(index.newest("toy")["span_us"] == 7);
  CHECK(index.newest("toy-2l").is_null());
  make("20260102-000000000-eval-0001", "amk_eval", "toy");
  end("20260102-000000000-eval-0001");
  CHECK(index.newest("toy")["run_id"] == "20260101-000000000-trace-0001");
  make("20260103-000000000-trace-0001", "amk_trace", "toy");
  end("20260103-000000000-trace-0001");
  CHECK(index.newest("toy")["run_id"] == "20260103-000000000-trace-0001");
}

Json propose(const Json& id, const Json& arguments) {
  return request(id, "tools/call", {{"name", "amk_propose"}, {"arguments", arguments}});
}

TEST_CASE("a checkpoint that changes is proposed for anew") {
  TempDirectory scratch;
  const std::filesystem::path model = scratch.path() / "model";
  std::filesystem::copy("models/shakespeare-llama-3m", model, std::filesystem::copy_options::recursive);
  McpProcess server(amk_mcp(scratch.path() / "workspace"), "/");
  server.initialize();
  const Json arguments = {{"model", model.string()}, {"gpu", "h100"}};
  const Json before = server.ask(propose(1, arguments))["result"];
  CHECK(before["isError"] == false);
  CHECK(server.ask(propose(2, arguments))["result"] == before);
  std::filesystem::remove(model / "config.json");
  CHECK(server.ask(propose(3, arguments))["result"]["isError"] == true);
}

TEST_CASE("an answer of amk's that is no proposal fails the call, every time, and no other") {
  TempDirectory scratch;
  const std::filesystem::path amk = scratch.path() / "amk";
  for (const char* odd : {"[]", "7", "{}", R"({"incumbent":7,"proposals":{}})", R"({"proposals":[1]})"}) {
    CAPTURE(odd);
    write_under(amk, std::string("#!/bin/sh\necho '") + odd + "'\n");
    std::filesystem::permissions(amk, std::filesystem::perms::owner_all);
    McpProcess server(amk_mcp(scratch.path() / "workspace"), "/", {"AMK_PROGRAM=" + amk.string()});
    server.initialize();
    for (int id = 1; id <= 2; ++id) {
      const Json result = server.ask(propose(id, {{"model", "toy"}, {"gpu", "h100"}}))["result"];
      CHECK(result["isError"] == true);
      CHECK(result["content"][0]["text"].get<std::string>().find("expected a proposal from amk") == 0);
    }
    CHECK(server.ask(request(3, "ping"))["result"] == Json::object());
  }
}

// Alone on the machine, as the ctest entry mcp_speed.
TEST_CASE("speed: once warm, amk_propose is answered thousands of times a second" * doctest::skip()) {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), "/");
  server.initialize();
  const Json arguments = {{"model", "toy"}, {"gpu", "h100"}};
  const Json first = server.ask(propose("first", arguments))["result"];
  constexpr int kCalls = 1000;
  auto best = seconds(60) + steady_clock::duration::zero();
  for (int round = 0; round < 3; ++round) {
    const auto start = steady_clock::now();
    std::thread writer([&] {
      for (int i = 0; i < kCalls; ++i) server.send(propose(i, arguments));
    });
    size_t bytes = 0;
    for (int i = 0; i < kCalls; ++i) bytes += server.receive_text().size();
    writer.join();
    CHECK(bytes > kCalls * first.dump().size() / 2);
    best = std::min(best, steady_clock::now() - start);
  }
  const double per_second = kCalls / std::chrono::duration<double>(best).count();
  MESSAGE("amk_propose over stdio: ", per_second, " a second");
  // The machine that runs the tests is shared; docs/mcp.md has the figure of a quiet one.
  CHECK(per_second > 500.0 / SPEED_LIMIT_FACTOR);
}

}  // namespace
}  // namespace amk::test
