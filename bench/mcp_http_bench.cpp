// amk-mcp over HTTP: start to first reply, the time of tools/list, calls a second over kept connections, and what
// 10,000 connections do to the server.
//
// mcp_http_bench [SECONDS]: the calls are of amk_propose for one model, and of the fixture server's "echo" with 8 KiB
// of text, where what is measured is the transport and the core alone; the lists are amk-mcp's own. Client and server
// share the machine.
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mcp/http_client.h"

namespace {

using namespace amk::test;
using Clock = std::chrono::steady_clock;

constexpr int kStarts = 15;
constexpr int kLists = 500;
constexpr int kClients = 8;
constexpr int kConnections = 10'000;
constexpr size_t kTextBytes = 8192;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
  return values[values.size() / 2];
}

std::vector<std::string> program() { return amk_mcp(std::filesystem::temp_directory_path() / "amk-mcp-http-bench"); }

void measure_start() {
  std::vector<double> first;
  for (int i = 0; i < kStarts; ++i) {
    const auto start = Clock::now();
    const HttpServerProcess server(program());
    ask_once(server.port(), modern_post(modern_request(1, "server/discover")));
    first.push_back(milliseconds_since(start));
  }
  fmt::print("start to first reply: {:.1f} ms (median of {})\n", median(first), kStarts);
}

void measure_list() {
  const HttpServerProcess server(program());
  HttpConnection client(server.port());
  const std::string list = modern_post(modern_request(1, "tools/list"));
  std::vector<double> times;
  size_t bytes = 0;
  for (int i = 0; i < kLists; ++i) {
    const auto start = Clock::now();
    bytes = client.ask(list).body.size();
    times.push_back(milliseconds_since(start));
  }
  fmt::print("tools/list: {:.3f} ms (median of {}, {} bytes)\n", median(times), kLists, bytes);
}

/// A tool that is called over and over.
struct Called {
  const char* name;
  std::vector<std::string> server;
  amk::test::Json arguments;
};

Called echo() { return {"echo", http_fixture_server(), {{"text", std::string(kTextBytes, 'x')}}}; }
Called propose() { return {"amk_propose", program(), {{"model", "toy"}, {"gpu", "h100"}}}; }

void measure_calls(const Called& of, bool legacy, double seconds) {
  const HttpServerProcess server(of.server);
  const amk::test::Json params = {{"name", of.name}, {"arguments", of.arguments}};
  const std::string session = legacy ? begin_session(server.port()) : "";
  const auto call = [&](int id) {
    return legacy ? post(request(id, "tools/call", params), {{"Mcp-Session-Id", session}})
                  : modern_post(modern_request(id, "tools/call", params));
  };
  const size_t bytes = ask_once(server.port(), call(100)).body.size();
  std::atomic<long> answered = 0;
  std::atomic<long> wrong = 0;
  std::vector<std::thread> clients;
  const double cpu_before = server.cpu_seconds();
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, message = call(i)] {
      HttpConnection client(server.port());
      while (Clock::now() < end) ++(client.ask(message).status == 200 ? answered : wrong);
    });
  }
  for (std::thread& client : clients) client.join();
  const double took = milliseconds_since(begin) / 1000;
  fmt::print(
      "{}, {}: {:.0f} a second over {} connections, {:.0f} us of the server's processors each, answers of {} bytes, {} "
      "wrong, server at {} KiB\n",
      of.name, legacy ? "2025-11-25" : "2026-07-28", static_cast<double>(answered) / took, kClients,
      1e6 * (server.cpu_seconds() - cpu_before) / static_cast<double>(answered), bytes, wrong.load(),
      server.resident_kib());
}

void measure_connections() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlimit before = files;
  files.rlim_cur = files.rlim_max;
  const HttpServerProcess server(http_fixture_server());
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string list = modern_post(modern_request(1, "tools/list"));
  ask_once(server.port(), list);
  const size_t files_before = server.open_files();
  const size_t memory_before = server.resident_kib();
  std::optional<std::vector<HttpConnection>> all(std::in_place);
  double slowest = 0;
  int answered = 0;
  const auto start = Clock::now();
  for (int i = 0; i < kConnections; ++i) {
    all->emplace_back(server.port());
    if (i % 100 != 99) continue;
    const auto asked = Clock::now();
    if (ask_once(server.port(), list).status == 200) ++answered;
    slowest = std::max(slowest, milliseconds_since(asked));
  }
  fmt::print(
      "{} connections in {:.0f} ms (the server may open {} files): {} descriptors, {} KiB more; {} of {} requests "
      "answered meanwhile, the slowest in {:.1f} ms\n",
      kConnections, milliseconds_since(start), before.rlim_cur, server.open_files(),
      server.resident_kib() - memory_before, answered, kConnections / 100, slowest);
  all.reset();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ask_once(server.port(), list);
  fmt::print("after they are closed: {} descriptors, {} before\n", server.open_files(), files_before);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::stod(argv[1]) : 5;
  measure_start();
  measure_list();
  for (const Called& of : {propose(), echo()}) {
    for (const bool legacy : {false, true}) measure_calls(of, legacy, seconds);
  }
  measure_connections();
  return 0;
}
