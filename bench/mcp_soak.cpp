// A hundred thousand requests of every kind, good and bad, to one amk-mcp after another: over standard streams, and
// over HTTP. Every request must be answered as it ought to be, and the server must not grow: its resident memory and
// its descriptors after a tenth of the requests are compared with those at the end.
//
//   mcp_soak [--requests N]     N for each transport; 100,000 where nothing is said
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "mcp/client.h"
#include "mcp/http_client.h"
#include "support/temp_directory.h"

namespace {

using namespace amk;
using namespace amk::test;
using Clock = std::chrono::steady_clock;

constexpr int kResult = 0;
constexpr int kToolError = 1;        ///< a result with isError
constexpr size_t kWindow = 16;       ///< requests in flight
constexpr size_t kGrowthKib = 4096;  ///< between a tenth of the requests and the end
constexpr uint64_t kSeed = 20261128;

/// A kind of request, and what it is to be answered with: kResult, kToolError or a code of JSON-RPC.
struct Kind {
  std::string_view name;
  size_t weight;
  int legacy;
  int modern;
  std::function<std::pair<std::string, Json>(Random&)> make;  ///< method and params
};

Json call(const char* tool, Json arguments) { return {{"name", tool}, {"arguments", std::move(arguments)}}; }

std::function<std::pair<std::string, Json>(Random&)> always(const char* method, const Json& params = Json::object()) {
  return [=](Random&) { return std::pair<std::string, Json>(method, params); };
}

constexpr int kNotFound = -32601;
constexpr int kParams = -32602;
constexpr int kNoResource = -32002;

std::vector<Kind> kinds() {
  const Json some_depth = {{"pipelining_depth", 4}};
  const auto propose = [=](Random& random) {
    Json arguments = {{"model", random.below(2) == 0 ? "toy" : "toy-2l"}, {"gpu", "h100"}};
    if (random.below(2) == 0) arguments["schedule"] = some_depth;
    return std::pair<std::string, Json>("tools/call", call("amk_propose", arguments));
  };
  const auto big = [](Random& random) {
    return std::pair<std::string, Json>("tools/call",
                                        call("amk_eval", {{"model", std::string(1 + random.below(64U << 10U), 'm')}}));
  };
  const auto progress = [](Random& random) {
    Json params = call("amk_models", Json::object());
    params["_meta"]["progressToken"] = random.below(1000);
    return std::pair<std::string, Json>("tools/call", params);
  };
  return {
      {"ping", 10, kResult, kNotFound, always("ping")},
      {"tools/list", 6, kResult, kResult, always("tools/list")},
      {"resources/list", 4, kResult, kResult, always("resources/list")},
      {"resources/templates/list", 2, kResult, kResult, always("resources/templates/list")},
      {"prompts/list", 4, kResult, kResult, always("prompts/list")},
      {"a bad cursor", 2, kParams, kParams, always("tools/list", {{"cursor", "x"}})},
      {"resources/read", 6, kResult, kResult, always("resources/read", {{"uri", "amk://schema/schedule"}})},
      {"a missing resource", 4, kNoResource, kParams, always("resources/read", {{"uri", "amk://runs/../x"}})},
      {"prompts/get", 6, kResult, kResult,
       always("prompts/get", {{"name", "amk-optimize"}, {"arguments", {{"model", "toy"}}}})},
      {"completion/complete", 6, kResult, kResult,
       always("completion/complete", {{"ref", {{"type", "ref/prompt"}, {"name", "amk-optimize"}}},
                                      {"argument", {{"name", "model"}, {"value", "to"}}}})},
      {"subscribe", 2, kResult, kNotFound, always("resources/subscribe", {{"uri", "amk://schema/schedule"}})},
      {"unsubscribe", 2, kResult, kNotFound, always("resources/unsubscribe", {{"uri", "amk://schema/schedule"}})},
      {"amk_models", 10, kResult, kResult, always("tools/call", call("amk_models", Json::object()))},
      {"amk_models with progress", 5, kResult, kResult, progress},
      {"amk_runs", 5, kResult, kResult, always("tools/call", call("amk_runs", {{"count", 3}}))},
      {"amk_propose", 10, kResult, kResult, propose},
      {"bad arguments", 8, kToolError, kToolError, always("tools/call", call("amk_eval", {{"modle", "toy"}}))},
      {"a long argument", 1, kToolError, kToolError, big},
      {"an unknown run", 4, kToolError, kToolError,
       always("tools/call", call("amk_run_status", {{"run_id", "20200101-000000-eval-0000"}}))},
      {"an unknown tool", 3, kParams, kParams, always("tools/call", call("amk_evil", Json::object()))},
      {"an unknown method", 3, kNotFound, kNotFound, always("no/such")},
  };
}

/// What a reply comes to, in the terms of Kind.
int outcome(const Json& reply) {
  if (reply.contains("error")) return reply["error"]["code"].get<int>();
  return reply["result"].value("isError", false) ? kToolError : kResult;
}

class Mix {
 public:
  struct Request {
    Json message;
    const Kind* kind;
    bool modern;
  };

  explicit Mix(uint64_t seed) : random_(seed) {
    for (const Kind& kind : kinds_) total_ += kind.weight;
  }

  Request next() {
    size_t rest = random_.below(total_);
    const Kind* kind = kinds_.data();
    for (; rest >= kind->weight; ++kind) rest -= kind->weight;
    const bool modern = random_.below(2) == 0;
    auto [method, params] = kind->make(random_);
    const Json id = ++id_;
    return {modern ? modern_request(id, method, std::move(params)) : request(id, method, params), kind, modern};
  }

  Random& random() { return random_; }

 private:
  const std::vector<Kind> kinds_ = kinds();
  size_t total_ = 0;
  Random random_;
  int64_t id_ = 0;
};

struct Footprint {
  size_t resident_kib = 0;
  size_t descriptors = 0;
};

Footprint footprint_of(int pid) {
  const std::string root = "/proc/" + std::to_string(pid);
  Footprint out;
  std::ifstream status(root + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) out.resident_kib = std::stoul(line.substr(6));
  }
  const std::filesystem::directory_iterator all(root + "/fd");
  out.descriptors = static_cast<size_t>(std::distance(begin(all), end(all)));
  return out;
}

/// Counts what was answered wrongly, and says the first of each kind.
class Judge {
 public:
  void see(const Mix::Request& asked, const Json& reply) {
    ++answered_;
    const int wanted = asked.modern ? asked.kind->modern : asked.kind->legacy;
    const int found = outcome(reply);
    if (found != wanted) wrong(asked.kind->name, fmt::format("expected {}, found {}", wanted, found), reply);
    if (reply.value("id", Json()) != asked.message["id"]) wrong(asked.kind->name, "the reply has another id", reply);
  }
  void wrong(std::string_view what, const std::string& why, const Json& reply) {
    if (wrong_[std::string(what)]++ == 0) fmt::print("WRONG: {}: {}: {:.400}\n", what, why, reply.dump());
  }
  [[nodiscard]] size_t answered() const { return answered_; }
  [[nodiscard]] bool clean() const { return wrong_.empty(); }

 private:
  size_t answered_ = 0;
  std::map<std::string, size_t> wrong_;
};

/// One transport's server, asked in windows of requests.
class Server {
 public:
  virtual ~Server() = default;
  virtual void exchange(const std::vector<Mix::Request>& window, Judge& judge) = 0;
  /// Something that has no reply, or is no message.
  virtual void disturb(Random& random, Judge& judge) = 0;
  /// With nothing of ours in flight or open.
  virtual Footprint footprint() = 0;
  virtual bool ends_well() = 0;
};

class StdioServer final : public Server {
 public:
  explicit StdioServer(const std::filesystem::path& workspace) : process_(amk_mcp(workspace)) { process_.initialize(); }

  void exchange(const std::vector<Mix::Request>& window, Judge& judge) override {
    std::map<Json, const Mix::Request*> waiting;
    for (const Mix::Request& one : window) waiting[one.message["id"]] = &one;
    // Written beside the reading: replies fill the pipe, and who waits for room in it does not read.
    std::jthread writer([&] {
      for (const Mix::Request& one : window) process_.send(one.message);
    });
    while (!waiting.empty()) {
      const Json reply = process_.receive();
      if (reply.contains("method")) continue;
      const auto found = waiting.find(reply["id"]);
      if (found == waiting.end()) {
        judge.wrong("replies", "one to nothing that was asked", reply);
        continue;
      }
      judge.see(*found->second, reply);
      waiting.erase(found);
    }
    writer.join();
    process_.forget_seen();
  }

  void disturb(Random& random, Judge& judge) override {
    switch (random.below(4)) {
      case 0:
        process_.send_bytes("{\"jsonrpc\": \n");
        if (process_.receive()["error"]["code"] != -32700) judge.wrong("a broken line", "expected -32700", nullptr);
        break;
      case 1:
        process_.send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 7}}}});
        break;
      case 2:
        process_.send_bytes("\n\r\n");
        break;
      default:
        process_.send_bytes("[" + request(1, "ping").dump() + "]\n");
        if (process_.receive()["error"]["code"] != -32600) judge.wrong("a batch", "expected -32600", nullptr);
    }
  }

  Footprint footprint() override { return footprint_of(process_.pid()); }

  bool ends_well() override {
    process_.close_input();
    return process_.wait().code == 0;
  }

 private:
  McpProcess process_;
};

class HttpServer final : public Server {
 public:
  explicit HttpServer(const std::filesystem::path& workspace) : process_(amk_mcp(workspace)) { connect(); }

  void exchange(const std::vector<Mix::Request>& window, Judge& judge) override {
    for (size_t i = 0; i < window.size(); ++i) connections_[i]->send(bytes_of(window[i]));
    for (size_t i = 0; i < window.size(); ++i) judge.see(window[i], reply_on(connections_[i]));
  }

  void disturb(Random& random, Judge& judge) override {
    const auto expect = [&](const char* what, const std::string& bytes, int status) {
      const HttpReply reply = ask_once(process_.port(), bytes);
      if (reply.status != status)
        judge.wrong(what, fmt::format("expected {}, found {}", status, reply.status), nullptr);
    };
    switch (random.below(5)) {
      case 0:
        expect("a broken body", http_request("POST", "{\"jsonrpc\": "), 400);
        break;
      case 1:
        expect("an evil origin", post(request(1, "ping"), {{"Origin", "http://evil.example"}}), 403);
        break;
      case 2:
        expect("an unknown session", post(request(1, "ping"), {{"Mcp-Session-Id", "none"}}), 404);
        break;
      case 3: {  // a session that comes and goes
        const std::string session = begin_session(process_.port());
        expect("the end of a session", http_request("DELETE", "", {{"Mcp-Session-Id", session}}), 204);
        break;
      }
      default:  // a client that leaves in the middle
        HttpConnection(process_.port())
            .send(modern_post(modern_request(1, "tools/call", call("amk_propose", {{"model", "toy"}}))));
    }
  }

  Footprint footprint() override {
    connections_.clear();
    Footprint out{process_.resident_kib(), process_.open_files()};
    // What the clients have left is put away within moments.
    for (int attempt = 0; attempt < 100 && out.descriptors > settled_; ++attempt) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      out = {process_.resident_kib(), process_.open_files()};
    }
    settled_ = out.descriptors;
    connect();
    return out;
  }

  bool ends_well() override {
    connections_.clear();
    process_.signal(SIGTERM);
    return process_.wait() == 0;
  }

 private:
  void connect() {
    session_ = begin_session(process_.port());
    for (size_t i = 0; i < kWindow; ++i) connections_.push_back(std::make_unique<HttpConnection>(process_.port()));
  }

  std::string bytes_of(const Mix::Request& one) {
    return one.modern ? modern_post(one.message) : post(one.message, {{"Mcp-Session-Id", session_}});
  }

  /// A stream is the last that is read from its connection.
  Json reply_on(std::unique_ptr<HttpConnection>& connection) const {
    const HttpReply reply = connection->read_reply();
    if (reply.header("content-type") != "text/event-stream") return reply.json();
    Json message = connection->next_message();
    while (message.contains("method")) message = connection->next_message();
    connection = std::make_unique<HttpConnection>(process_.port());
    return message;
  }

  HttpServerProcess process_;
  std::string session_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
  size_t settled_ = 0;
};

/// Whether everything was as it ought to be.
bool soak(const char* transport, Server& server, size_t requests) {
  Mix mix(kSeed);
  Judge judge;
  std::optional<Footprint> early;
  const auto start = Clock::now();
  while (judge.answered() < requests) {
    std::vector<Mix::Request> window;
    for (size_t i = 0; i < std::min(kWindow, requests - judge.answered()); ++i) window.push_back(mix.next());
    server.exchange(window, judge);
    if (mix.random().below(20) == 0) server.disturb(mix.random(), judge);
    if (!early && judge.answered() >= requests / 10) early = server.footprint();
  }
  const std::chrono::duration<double> passed = Clock::now() - start;
  const Footprint late = server.footprint();
  fmt::print("{}: {} requests in {:.1f} s ({:.0f} a second)\n", transport, judge.answered(), passed.count(),
             static_cast<double>(judge.answered()) / passed.count());
  fmt::print("{}: resident {} KiB after a tenth, {} KiB at the end; descriptors {} and {}\n", transport,
             early->resident_kib, late.resident_kib, early->descriptors, late.descriptors);
  const bool flat = late.resident_kib <= early->resident_kib + kGrowthKib && late.descriptors <= early->descriptors;
  if (!flat) fmt::print("WRONG: {}: expected at most {} KiB more, and no descriptor more\n", transport, kGrowthKib);
  const bool ended = server.ends_well();
  if (!ended) fmt::print("WRONG: {}: expected the server to end with exit code 0\n", transport);
  return flat && ended && judge.clean();
}

std::optional<size_t> requests_of(int argc, char** argv) {
  if (argc == 1) return 100'000;
  size_t out = 0;
  const std::string_view text = argc == 3 && std::string_view(argv[1]) == "--requests" ? argv[2] : "";
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size() || out < 100) return std::nullopt;
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<size_t> requests = requests_of(argc, argv);
  if (!requests) {
    fmt::print(stderr, "expected nothing, or --requests and a number from 100\n");
    return 2;
  }
  try {
    const TempDirectory scratch;
    StdioServer stdio(scratch.path() / "stdio");
    const bool stdio_good = soak("stdio", stdio, *requests);
    HttpServer http(scratch.path() / "http");
    const bool http_good = soak("HTTP", http, *requests);
    return stdio_good && http_good ? 0 : 1;
  } catch (const std::exception& problem) {
    fmt::print("WRONG: {}\n", problem.what());
    return 1;
  }
}
