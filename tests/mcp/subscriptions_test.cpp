// Subscriptions of both eras: the watcher, a session in this process, and amk-mcp itself.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "mcp/client.h"
#include "mcp/conversation.h"
#include "mcp/core/watcher.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kIdKey = "io.modelcontextprotocol/subscriptionId";
constexpr const char* kUpdated = "notifications/resources/updated";
constexpr const char* kAcknowledged = "notifications/subscriptions/acknowledged";

/// One resource that changes as the test says, and one that does not.
struct Changing {
  std::atomic<int> version = 1;
  mcp::Server server{{"test", "Test", "1", ""}, {}, resources()};

  std::vector<mcp::Resource> resources() {
    mcp::Resource changing;
    changing.uri = "test://changing/{name}";
    changing.changes = true;
    changing.read = [](const mcp::Variables&) { return mcp::Contents{"text", "text/plain", false}; };
    changing.state = [this](const mcp::Variables&) { return std::to_string(version); };
    mcp::Resource fixed = changing;
    fixed.uri = "test://fixed";
    fixed.state = nullptr;
    return {changing, fixed};
  }
};

Json listen(const Json& id, const Json& uris) {
  return modern_request(id, "subscriptions/listen", {{"notifications", {{"resourceSubscriptions", uris}}}});
}

Json cancelled(const Json& id) {
  return {{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", id}}}};
}

size_t count_of(const std::vector<Json>& messages, const std::string& method) {
  size_t out = 0;
  for (const Json& message : messages) out += message.value("method", "") == method ? 1 : 0;
  return out;
}

void wait_until(const std::function<bool()>& done) {
  for (int i = 0; i < 500 && !done(); ++i) std::this_thread::sleep_for(milliseconds(10));
  CHECK(done());
}

TEST_CASE("the watcher has a thread while something is watched, and tells each change once") {
  mcp::Watcher watcher(milliseconds(5));
  CHECK_FALSE(watcher.has_thread());
  std::atomic<int> state = 0;
  std::atomic<int> told = 0;
  const auto id = watcher.watch([&] { return std::to_string(state); }, "0", [&] { ++told; });
  REQUIRE(id.has_value());
  CHECK(watcher.has_thread());
  std::this_thread::sleep_for(milliseconds(30));
  CHECK(told == 0);
  for (int i = 1; i <= 3; ++i) {
    state = i;
    wait_until([&] { return told == i; });
  }
  watcher.forget(*id);
  state = 9;
  wait_until([&] { return !watcher.has_thread(); });
  CHECK(told == 3);
  CHECK(watcher.watch([] { return "a"; }, "b", [&] { ++told; }).has_value());
  wait_until([&] { return told == 4; });
}

TEST_CASE("the watcher takes only so many, and forgets while others change") {
  mcp::Watcher watcher(milliseconds(1));
  std::atomic<int> ticks = 0;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < mcp::Watcher::kWatchesMax; ++i) {
    ids.push_back(watcher.watch([&] { return std::to_string(++ticks); }, "", [] {}).value());
  }
  CHECK_FALSE(watcher.watch([] { return ""; }, "", [] {}).has_value());
  for (const uint64_t id : ids) watcher.forget(id);
  CHECK(watcher.count() == 0);
}

TEST_CASE("a legacy client is told of a resource from when it subscribes until it unsubscribes") {
  Changing fixture;
  Conversation client(fixture.server);
  client.initialize();
  const auto ask = [&](const char* method, const char* uri) {
    return client.ask(request(method, method, {{"uri", uri}}));
  };
  CHECK(ask("resources/subscribe", "test://fixed")["result"] == Json::object());
  CHECK(ask("resources/subscribe", "test://changing/a")["result"] == Json::object());
  CHECK(ask("resources/subscribe", "test://changing/a")["result"] == Json::object());
  CHECK(fixture.server.watcher().count() == 1);
  CHECK(ask("resources/subscribe", "test://no/such/thing")["error"]["code"] == -32002);
  CHECK(client.ask(request(9, "resources/subscribe"))["error"]["code"] == -32602);
  ++fixture.version;
  const std::optional<Json> message = client.pushed_of(kUpdated);
  REQUIRE(message.has_value());
  CHECK((*message)["params"] == Json{{"uri", "test://changing/a"}});
  CHECK(ask("resources/unsubscribe", "test://changing/a")["result"] == Json::object());
  CHECK(ask("resources/unsubscribe", "test://changing/a")["result"] == Json::object());
  CHECK(fixture.server.watcher().count() == 0);
  CHECK(count_of(client.said(), kUpdated) == 0);
}

TEST_CASE("a client has only so many subscriptions") {
  Changing fixture;
  Conversation client(fixture.server);
  client.initialize();
  const auto subscribe = [&](size_t i) {
    return client.ask(request(i, "resources/subscribe", {{"uri", "test://changing/" + std::to_string(i)}}));
  };
  for (size_t i = 0; i < mcp::Subscriptions::kUrisMax; ++i) CHECK(subscribe(i).contains("result"));
  CHECK(subscribe(1000)["error"]["code"] == -32600);
  CHECK(subscribe(1000)["error"]["message"].get<std::string>().find("at most 64 URIs") != std::string::npos);
  client.session().shut_down();
  CHECK(fixture.server.watcher().count() == 0);
}

TEST_CASE("subscriptions/listen acknowledges what it honours first, and marks every message") {
  Changing fixture;
  Conversation client(fixture.server);
  Json wanted = listen("L", {"test://changing/a", "test://changing/a", "test://nothing", "test://fixed"});
  wanted["params"]["notifications"]["toolsListChanged"] = true;
  client.send(wanted);
  ++fixture.version;
  REQUIRE(client.said_of(kUpdated).has_value());
  const std::vector<Json> said = client.said();
  CHECK(said[0]["method"] == kAcknowledged);
  CHECK(said[0]["params"]["notifications"] == Json{{"resourceSubscriptions", {"test://changing/a", "test://fixed"}}});
  for (const Json& message : said) CHECK(message["params"]["_meta"][kIdKey] == "L");
  CHECK(client.pushed().empty());
  CHECK(client.session().wait_until_idle(milliseconds(0)));
}

TEST_CASE("a cancelled subscription says nothing more, and its id is free again") {
  Changing fixture;
  Conversation client(fixture.server);
  client.send(listen(1, {"test://changing/a"}));
  CHECK(client.ask(listen(1, {"test://fixed"}))["error"]["code"] == -32600);
  client.send(cancelled(1));
  CHECK(fixture.server.watcher().count() == 0);
  const size_t then = client.said().size();
  ++fixture.version;
  std::this_thread::sleep_for(milliseconds(20));
  CHECK(client.said().size() == then);
  client.send(listen(1, {"test://fixed"}));
  CHECK(count_of(client.said(), kAcknowledged) == 2);
}

TEST_CASE("a session that ends answers what listens, or says nothing where the client has gone") {
  Changing fixture;
  {
    Conversation client(fixture.server);
    client.send(listen(7, {"test://changing/a"}));
    client.session().shut_down();
    const Json last = client.said().back();
    CHECK(last["id"] == 7);
    CHECK(last["result"]["resultType"] == "complete");
    CHECK(last["result"]["_meta"][kIdKey] == 7);
    CHECK(last["result"]["_meta"].contains("io.modelcontextprotocol/serverInfo"));
  }
  Conversation gone(fixture.server);
  gone.send(listen(7, {"test://changing/a"}));
  gone.session().cancel_all();
  CHECK(gone.said().size() == 1);
  CHECK(fixture.server.watcher().count() == 0);
}

TEST_CASE("subscriptions/listen is bounded, and refuses what it cannot read") {
  Changing fixture;
  Conversation client(fixture.server);
  for (size_t i = 0; i < mcp::Subscriptions::kListenersMax; ++i) client.send(listen(i, Json::array()));
  const Json refused = client.ask(listen("more", Json::array()))["error"];
  CHECK(refused["code"] == -32600);
  CHECK(refused["message"].get<std::string>().find("at most 16 requests") != std::string::npos);
  client.send(cancelled(0));
  client.send(listen("now", Json::array()));
  CHECK(client.said().back()["method"] == kAcknowledged);
  CHECK(client.ask(modern_request("a", "subscriptions/listen"))["error"]["code"] == -32602);
  CHECK(client.ask(listen("b", "test://fixed"))["error"]["code"] == -32602);
  CHECK(client.ask(listen("c", Json(std::vector<std::string>(65, "x"))))["error"]["code"] == -32602);
  client.initialize();
  CHECK(client.ask(request("d", "subscriptions/listen"))["error"]["code"] == -32601);
}

TEST_CASE("where all clients together watch too much, that is what is said") {
  Changing fixture;
  std::vector<uint64_t> others;
  for (size_t i = 0; i < mcp::Watcher::kWatchesMax; ++i)
    others.push_back(fixture.server.watcher().watch([] { return ""; }, "", [] {}).value());
  Conversation client(fixture.server);
  client.initialize();
  const Json params = {{"uri", "test://changing/a"}};
  for (const Json& ask : {request(1, "resources/subscribe", params), listen(2, {"test://changing/a"})}) {
    const Json error = client.ask(ask)["error"];
    CHECK(error["code"] == -32600);
    CHECK(error["message"].get<std::string>().find("by all clients together") != std::string::npos);
  }
  for (const uint64_t id : others) fixture.server.watcher().forget(id);
}

TEST_CASE("amk-mcp tells both eras of a run's progress and of its end") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), std::filesystem::current_path().string());
  server.initialize();
  const Json run = server.call("amk_generate", {{"source", "synthetic:smollm2-135m"},
                                                {"prompt_ids", {1}},
                                                {"max_tokens", 2000},
                                                {"ignore_eos", true},
                                                {"device", "cpu"},
                                                {"wait_s", 0}})["structuredContent"];
  const std::string uri = "amk://runs/" + run["run_id"].get<std::string>() + "/status";
  CHECK(server.ask(request(1, "resources/subscribe", {{"uri", uri}}))["result"] == Json::object());
  server.send(listen("L", {uri}));
  CHECK(server.receive()["method"] == kAcknowledged);
  CHECK(server.call("amk_run_cancel", {{"run_id", run["run_id"]}})["structuredContent"]["state"] == "cancelled");
  bool legacy = false;
  bool modern = false;
  while (!legacy || !modern) {
    const Json message = server.receive();
    CHECK(message["method"] == kUpdated);
    CHECK(message["params"]["uri"] == uri);
    (message["params"].contains("_meta") ? modern : legacy) = true;
  }
  server.close_input();
  CHECK(server.receive()["result"]["_meta"][kIdKey] == "L");
  CHECK(server.wait().code == 0);
}

}  // namespace
}  // namespace amk::test
