// Log messages as each era wants them, and results that are kept: a session in this process, and amk-mcp itself.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "mcp/client.h"
#include "mcp/conversation.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

constexpr const char* kMessage = "notifications/message";
constexpr const char* kLevelKey = "io.modelcontextprotocol/logLevel";

mcp::Tool tool(const char* name, std::function<mcp::ToolResult(const mcp::Json&, mcp::CallContext&)> call) {
  mcp::Tool out;
  out.name = name;
  out.input_schema = {{"type", "object"}};
  out.output_schema = {{"type", "object"}, {"properties", {{"text", {{"type", "string"}}}}}};
  out.call = std::move(call);
  return out;
}

mcp::ToolResult talk(const mcp::Json&, mcp::CallContext& context) {
  for (const auto level : {mcp::LogLevel::kDebug, mcp::LogLevel::kInfo, mcp::LogLevel::kWarning, mcp::LogLevel::kError})
    context.log(level, "at " + std::string(mcp::log_level_name(level)));
  return {};
}

std::vector<std::string> levels_of(Conversation& client, const Json& call) {
  const size_t before = client.said().size();
  client.ask(call);
  std::vector<std::string> out;
  const std::vector<Json> said = client.said();
  for (size_t i = before; i < said.size(); ++i) {
    if (said[i].value("method", "") != kMessage) continue;
    CHECK(said[i]["params"]["logger"] == "amk");
    CHECK(said[i]["params"]["data"] == "at " + said[i]["params"]["level"].get<std::string>());
    out.push_back(said[i]["params"]["level"]);
  }
  return out;
}

TEST_CASE("a legacy client is told from the level that it sets, and from info before") {
  const mcp::Server server({"test", "Test", "1", ""}, {tool("talk", talk)});
  Conversation client(server);
  client.initialize();
  const auto levels = [&](int id) { return levels_of(client, request(id, "tools/call", {{"name", "talk"}})); };
  CHECK(levels(1) == std::vector<std::string>{"info", "warning", "error"});
  CHECK(client.ask(request(2, "logging/setLevel", {{"level", "debug"}}))["result"] == Json::object());
  CHECK(levels(3).size() == 4);
  client.ask(request(4, "logging/setLevel", {{"level", "error"}}));
  CHECK(levels(5) == std::vector<std::string>{"error"});
  client.ask(request(6, "logging/setLevel", {{"level", "emergency"}}));
  CHECK(levels(7).empty());
  for (const Json& params : {Json::object(), Json{{"level", "loud"}}, Json{{"level", 1}}})
    CHECK(client.ask(request(8, "logging/setLevel", params))["error"]["code"] == -32602);
}

TEST_CASE("a modern request is told only where it asks, from the level that it asks for") {
  const mcp::Server server({"test", "Test", "1", ""}, {tool("talk", talk)});
  Conversation client(server);
  client.initialize();
  client.ask(request(0, "logging/setLevel", {{"level", "debug"}}));
  const auto levels = [&](int id, const Json& meta) {
    return levels_of(client, modern_request(id, "tools/call", {{"name", "talk"}, {"_meta", meta}}));
  };
  CHECK(levels(1, Json::object()).empty());
  CHECK(levels(2, {{kLevelKey, "debug"}}).size() == 4);
  CHECK(levels(3, {{kLevelKey, "warning"}}) == std::vector<std::string>{"warning", "error"});
  for (const Json& bad : {Json("banana"), Json(3)}) {
    const Json params = {{"name", "talk"}, {"_meta", {{kLevelKey, bad}}}};
    CHECK(client.ask(modern_request(4, "tools/call", params))["error"]["code"] == -32602);
  }
}

TEST_CASE("a result that is kept goes out as any other, in both eras, and is checked like it") {
  const auto kept = std::make_shared<const mcp::KeptResult>(mcp::Json{{"text", "a\"b\n\xc3\xa4"}});
  const auto misfit = std::make_shared<const mcp::KeptResult>(mcp::Json{{"text", 7}});
  const auto giving = [](auto result) {
    return [result](const mcp::Json&, mcp::CallContext&) {
      mcp::ToolResult out;
      out.kept = result;
      return out;
    };
  };
  const mcp::Server server({"test", "Test", "1", ""}, {tool("kept", giving(kept)), tool("misfit", giving(misfit))});
  Conversation client(server);
  client.initialize();
  for (int round = 0; round < 2; ++round) {
    const Json legacy = client.ask(request(round, "tools/call", {{"name", "kept"}}))["result"];
    const Json modern = client.ask(modern_request(10 + round, "tools/call", {{"name", "kept"}}))["result"];
    CHECK(legacy["structuredContent"] == Json{{"text", "a\"b\n\xc3\xa4"}});
    CHECK(Json::parse(legacy["content"][0]["text"].get<std::string>()) == legacy["structuredContent"]);
    CHECK(modern["structuredContent"] == legacy["structuredContent"]);
    CHECK(modern["resultType"] == "complete");
    CHECK_FALSE(legacy.contains("resultType"));
    CHECK(client.ask(request(20 + round, "tools/call", {{"name", "misfit"}}))["error"]["code"] == -32603);
  }
}

TEST_CASE("a tool without an output schema answers with content alone") {
  mcp::Tool plain = tool("plain", [](const mcp::Json&, mcp::CallContext&) {
    mcp::ToolResult out;
    out.more_content.push_back({{"type", "text"}, {"text", "just words"}});
    return out;
  });
  plain.output_schema = nullptr;
  const mcp::Server server({"test", "Test", "1", ""}, {plain});
  Conversation client(server);
  client.initialize();
  CHECK_FALSE(client.ask(request(1, "tools/list"))["result"]["tools"][0].contains("outputSchema"));
  const Json result = client.ask(request(2, "tools/call", {{"name", "plain"}}))["result"];
  CHECK(result["content"] == Json::parse(R"([{"type":"text","text":"just words"}])"));
  CHECK_FALSE(result.contains("structuredContent"));
}

TEST_CASE("amk-mcp tells a run's notes to who asks for them") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), std::filesystem::current_path().string());
  server.initialize();
  const Json params = {{"name", "amk_eval"}, {"arguments", {{"model", "no/such/model"}}}};
  Json asking = params;
  asking["_meta"][kLevelKey] = "info";
  const auto told = [&](const Json& call) {
    const size_t before = server.seen().size();
    CHECK(server.ask(call)["result"]["isError"] == true);
    size_t out = 0;
    for (size_t i = before; i < server.seen().size(); ++i)
      out += server.seen()[i].value("method", "") == kMessage ? 1 : 0;
    return out;
  };
  CHECK(told(modern_request(1, "tools/call", params)) == 0);
  CHECK(told(modern_request(2, "tools/call", asking)) > 0);
  CHECK(told(request(3, "tools/call", params)) > 0);
  server.ask(request(4, "logging/setLevel", {{"level", "error"}}));
  CHECK(told(request(5, "tools/call", params)) == 0);
}

}  // namespace
}  // namespace amk::test
