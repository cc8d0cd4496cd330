// The protocol, against real processes: both eras, good requests and bad ones.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "mcp/client.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;

int code_of(const Json& reply) { return reply.contains("error") ? reply["error"]["code"].get<int>() : 0; }

/// The code that raw text is answered with.
int code_of(McpProcess& server, const std::string& text) {
  server.send_bytes(text + "\n");
  return code_of(server.receive());
}

TEST_CASE("case 5: a batch is refused, and none of it is done") {
  McpProcess server(fixture_server());
  CHECK(code_of(server, "[" + request(1, "ping").dump() + "," + request(2, "ping").dump() + "]") == -32600);
  CHECK(code_of(server, "[]") == -32600);
  CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
}

TEST_CASE("case 6: what is no message of JSON-RPC 2.0 is refused") {
  McpProcess server(fixture_server());
  CHECK(code_of(server, R"({"id":1,"method":"ping"})") == -32600);
  CHECK(code_of(server, R"({"jsonrpc":"1.0","id":1,"method":"ping"})") == -32600);
  CHECK(code_of(server, R"({"jsonrpc":"2.0","id":1,"method":7})") == -32600);
  CHECK(code_of(server, R"({"jsonrpc":"2.0","id":1})") == -32600);
  CHECK(code_of(server, R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[1]})") == -32602);
  CHECK(code_of(server, "7") == -32600);
  CHECK(code_of(server, std::string(200, '[') + std::string(200, ']')) == -32600);
  CHECK(server.ask(request(2, "ping")).contains("result"));
}

TEST_CASE("case 7: ids that are strings or integers come back exactly; others are refused") {
  McpProcess server(fixture_server());
  for (const Json& id : {Json("a\"b\xc3\xa4"), Json(""), Json(0), Json(-3), Json(9007199254740993), Json(UINT64_MAX)}) {
    const Json reply = server.ask(request(id, "ping"));
    CHECK(reply["id"].dump() == id.dump());
  }
  for (const char* id : {"null", "1.5", "{}", "[1]", "true", "1e2"}) {
    CAPTURE(id);
    server.send_bytes(std::string(R"({"jsonrpc":"2.0","method":"ping","id":)") + id + "}\n");
    const Json reply = server.receive();
    CHECK(code_of(reply) == -32600);
    CHECK(reply["id"].is_null());
  }
}

TEST_CASE("case 8: an unknown method is refused, an unknown notification ignored") {
  McpProcess server(fixture_server());
  server.initialize();
  CHECK(code_of(server.ask(request(1, "no/such"))) == -32601);
  CHECK(code_of(server.ask(modern_request(2, "no/such"))) == -32601);
  server.send({{"jsonrpc", "2.0"}, {"method", "notifications/nonsense"}});
  server.send({{"jsonrpc", "2.0"}, {"method", "notifications/nonsense"}, {"params", {1}}});
  CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
}

TEST_CASE("case 9: a response is ignored") {
  McpProcess server(fixture_server());
  server.send({{"jsonrpc", "2.0"}, {"id", 1}, {"result", Json::object()}});
  server.send({{"jsonrpc", "2.0"}, {"id", 1}, {"error", {{"code", 1}, {"message", "x"}}}});
  CHECK_FALSE(server.try_receive(milliseconds(100)).has_value());
}

TEST_CASE("case 10: a legacy client gets a version that it can have, and needs one before anything else") {
  McpProcess server(fixture_server());
  CHECK(code_of(server.ask(request(1, "tools/list"))) == -32602);
  CHECK(server.ask(request(2, "ping"))["result"] == Json::object());
  CHECK(code_of(server.ask(request(3, "initialize"))) == -32602);
  CHECK(server.initialize("1900-01-01")["protocolVersion"] == "2025-11-25");
  CHECK(server.initialize("2026-07-28")["protocolVersion"] == "2025-11-25");
  const Json again = server.initialize("2025-06-18");
  CHECK(again["protocolVersion"] == "2025-06-18");
  CHECK(again["serverInfo"]["name"] == "fixtures");
  CHECK(again["capabilities"].contains("tools"));
  const Json list = server.ask(request(4, "tools/list"))["result"];
  CHECK(list["tools"].size() == 6);
  CHECK_FALSE(list.contains("resultType"));
}

TEST_CASE("case 11: a modern request says its version and the client's capabilities") {
  McpProcess server(fixture_server());
  Json missing = modern_request(1, "tools/list");
  missing["params"]["_meta"].erase("io.modelcontextprotocol/clientCapabilities");
  CHECK(code_of(server.ask(missing)) == -32602);
  missing = modern_request(2, "tools/list");
  missing["params"]["_meta"].erase("io.modelcontextprotocol/protocolVersion");
  CHECK(code_of(server.ask(missing)) == -32602);
  CHECK(code_of(server.ask(request(3, "server/discover"))) == -32602);
  for (const char* version : {"1900-01-01", "2025-11-25"}) {
    Json old = modern_request(4, "tools/list");
    old["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = version;
    const Json reply = server.ask(old);
    CHECK(code_of(reply) == -32022);
    CHECK(reply["error"]["data"]["supported"] == Json({"2026-07-28", "2025-11-25", "2025-06-18"}));
    CHECK(reply["error"]["data"]["requested"] == version);
  }
}

TEST_CASE("case 12: both eras live in one process, in either order") {
  McpProcess server(fixture_server());
  const Json discovered = server.ask(modern_request(1, "server/discover"))["result"];
  CHECK(discovered["supportedVersions"][0] == "2026-07-28");
  CHECK(discovered["instructions"] == "For tests.");
  server.initialize();
  CHECK(server.ask(request(2, "tools/list"))["result"].contains("tools"));
  CHECK(server.ask(modern_request(3, "tools/list"))["result"]["resultType"] == "complete");
}

TEST_CASE("case 13: modern results say that they are complete, who made them, and how long a list is good") {
  McpProcess server(fixture_server());
  for (const char* method :
       {"server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"}) {
    CAPTURE(method);
    const Json result = server.ask(modern_request(1, method))["result"];
    CHECK(result["resultType"] == "complete");
    CHECK(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "fixtures");
    CHECK(result["ttlMs"].get<int64_t>() >= 0);
    CHECK(result["cacheScope"] == "public");
  }
  const Json called = server.call("echo", {{"text", "a"}}, true);
  CHECK(called["resultType"] == "complete");
  CHECK(server.call("echo", {{"text", 1}}, true)["resultType"] == "complete");
}

TEST_CASE("case 14: what 2026-07-28 has no longer is unknown there") {
  McpProcess server(fixture_server());
  for (const char* method : {"ping", "initialize", "logging/setLevel", "resources/subscribe", "tasks/list"}) {
    CAPTURE(method);
    CHECK(code_of(server.ask(modern_request(1, method))) == -32601);
  }
}

TEST_CASE("an unknown tool is an error of the protocol, in both eras, with the nearest name") {
  McpProcess server(fixture_server());
  server.initialize();
  for (const bool modern : {false, true}) {
    const Json params = {{"name", "ecko"}};
    const Json reply = server.ask(modern ? modern_request(1, "tools/call", params) : request(1, "tools/call", params));
    CHECK(code_of(reply) == -32602);
    CHECK(reply["error"]["message"].get<std::string>().find("did you mean 'echo'") != std::string::npos);
  }
  CHECK(code_of(server.ask(request(2, "tools/call"))) == -32602);
}

TEST_CASE("case 15: wrong arguments are a result that says how to mend them, without structured content") {
  McpProcess server(fixture_server());
  server.initialize();
  const auto words = [&](const Json& arguments) {
    const Json result = server.call("wait", arguments);
    CHECK(result["isError"] == true);
    CHECK_FALSE(result.contains("structuredContent"));
    return result["content"][0]["text"].get<std::string>();
  };
  CHECK(words({{"ms", -1}}).find("ms: expected an integer from 0 to 600000, found -1") != std::string::npos);
  CHECK(words({{"ms", "7"}}).find("ms: expected an integer from 0 to 600000, found \"7\"") != std::string::npos);
  CHECK(words({{"mss", 7}}).find("did you mean 'ms'") != std::string::npos);
  CHECK(words({1, 2}).find("expected an object, found [1,2]") != std::string::npos);
}

TEST_CASE("lists are one page: a cursor is refused; a resource is missing as each era says it") {
  McpProcess server(fixture_server());
  server.initialize();
  CHECK(code_of(server.ask(request(1, "tools/list", {{"cursor", "x"}}))) == -32602);
  CHECK(code_of(server.ask(modern_request(2, "tools/list", {{"cursor", "x"}}))) == -32602);
  CHECK(code_of(server.ask(request(3, "resources/read", {{"uri", "x:y"}}))) == -32002);
  CHECK(code_of(server.ask(modern_request(4, "resources/read", {{"uri", "x:y"}}))) == -32602);
}

TEST_CASE("a tool that throws, or breaks its own schema, is our error and harms nobody") {
  McpProcess server(fixture_server());
  server.initialize();
  for (const char* tool : {"throw", "misfit"}) {
    CAPTURE(tool);
    CHECK(code_of(server.ask(request(1, "tools/call", {{"name", tool}}))) == -32603);
  }
  CHECK(server.call("echo", {{"text", "alive"}})["structuredContent"]["text"] == "alive");
}

std::string object_of(size_t members) {
  std::string out = "{";
  for (size_t i = 0; i < members; ++i) out += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  return out + "}";
}

std::string ping_with(const std::string& params) {
  return R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":)" + params + "}}";
}

TEST_CASE("an object has at most 4,096 members; whatever a message is made of, it is read or refused in a moment") {
  McpProcess server(fixture_server());
  CHECK(code_of(server, ping_with(object_of(4096))) == 0);
  server.send_bytes(ping_with(object_of(4097)) + "\n");
  const Json refused = server.receive();
  CHECK(code_of(refused) == -32600);
  CHECK(refused["error"]["message"].get<std::string>().find("4096 members in an object") != std::string::npos);
  CHECK(code_of(server, ping_with("[{\"k\":\"{,:,:,:\\\"::\"},[1,2,[3],{}],{\"a\":[1,2,3]}]")) == 0);
  std::string many = "[" + object_of(4000);
  while (many.size() < (15U << 20U)) many += "," + object_of(4000);
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& text : {ping_with(object_of(200'000)), ping_with(many + "]")})
    CHECK(code_of(server, text) == -32600);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(3));
}

TEST_CASE("a name of any length is refused in a moment, and comes back cut") {
  McpProcess server(fixture_server());
  server.initialize();
  const std::string name(4U << 20U, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (const Json& ask :
       {request(1, "tools/call", {{"name", name}}), request(2, name),
        request(3, "tools/call", {{"name", "wait"}, {"arguments", {{name, 1}}}}),
        request(4, "tools/call", {{"name", "wait"}, {"arguments", {{"ms", {{name, 1}}}}}}),
        request(5, "prompts/get", {{"name", name}}), request(6, "tools/list", {{"cursor", name}}),
        request(7, "completion/complete", {{"ref", {{"type", name}}}, {"argument", {{"name", name}, {"value", name}}}}),
        request(8, "logging/setLevel", {{"level", name}})}) {
    const Json reply = server.ask(ask);
    CAPTURE(reply["id"]);
    CHECK(reply.dump().size() < 2000);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5 * SPEED_LIMIT_FACTOR));
}

TEST_CASE("a name that is of another type is said, and one that is missing, too") {
  McpProcess server(fixture_server());
  server.initialize();
  for (const char* method : {"tools/call", "prompts/get", "resources/read"}) {
    CAPTURE(method);
    const Json seven = server.ask(request(1, method, {{"name", 7}, {"uri", 7}}))["error"];
    CHECK(seven["code"] == -32602);
    CHECK(seven["message"].get<std::string>().ends_with("found 7"));
    const Json nothing = server.ask(request(2, method))["error"];
    CHECK(nothing["code"] == -32602);
    CHECK(nothing["message"].get<std::string>().ends_with("found none"));
  }
}

}  // namespace
}  // namespace amk::test
