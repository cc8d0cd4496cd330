// Calls that ask their client for something, in both eras, against amk-mcp-conformance.
#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "mcp/client.h"
#include "mcp/core/state_seal.h"

namespace amk::test {
namespace {

using std::chrono::milliseconds;

constexpr const char* kCapabilities = "io.modelcontextprotocol/clientCapabilities";
const Json kAbleToAll = {{"sampling", Json::object()}, {"elicitation", Json::object()}, {"roots", Json::object()}};

std::vector<std::string> conformance_server() { return {MCP_CONFORMANCE_PROGRAM}; }

void initialize_with(McpProcess& server, const Json& capabilities) {
  const Json params = {{"protocolVersion", "2025-11-25"},
                       {"capabilities", capabilities},
                       {"clientInfo", {{"name", "test"}, {"version", "1"}}}};
  CHECK(server.ask(request("init", "initialize", params)).contains("result"));
}

Json call(const Json& id, const std::string& tool, const Json& arguments = Json::object()) {
  return request(id, "tools/call", {{"name", tool}, {"arguments", arguments}});
}

/// A round of a modern call.
Json round(McpProcess& server, const std::string& tool, const Json& more = Json::object(),
           const Json& capabilities = kAbleToAll) {
  Json params = {{"name", tool}, {"arguments", Json::object()}};
  params.update(more);
  Json message = modern_request(tool + more.dump(), "tools/call", params);
  message["params"]["_meta"][kCapabilities] = capabilities;
  return server.ask(message);
}

std::string text_of(const Json& result) { return result.at("content").at(0).at("text").get<std::string>(); }

Json accepted(const Json& content) { return {{"action", "accept"}, {"content", content}}; }

TEST_CASE("a legacy call asks its client, and goes on with the answer") {
  McpProcess server(conformance_server());
  initialize_with(server, kAbleToAll);
  server.send(call(1, "test_elicitation", {{"message", "who?"}}));
  const Json asked = server.receive();
  CHECK(asked["method"] == "elicitation/create");
  CHECK(asked["params"]["message"] == "who?");
  CHECK(server.ask(request(2, "ping"))["result"] == Json::object());
  server.send({{"jsonrpc", "2.0"}, {"id", "another"}, {"result", accepted({{"username", "nobody"}})}});
  server.send({{"jsonrpc", "2.0"}, {"id", asked["id"]}, {"result", accepted({{"username", "someone"}})}});
  CHECK(text_of(server.reply_to(1)["result"]).find("someone") != std::string::npos);
}

TEST_CASE("a legacy client that answers with an error, or cannot be asked, gets words") {
  McpProcess able(conformance_server());
  initialize_with(able, kAbleToAll);
  able.send(call(1, "test_sampling", {{"prompt", "p"}}));
  const Json asked = able.receive();
  able.send({{"jsonrpc", "2.0"}, {"id", asked["id"]}, {"error", {{"code", -1}, {"message", "no"}}}});
  const Json refused = able.reply_to(1)["result"];
  CHECK(refused["isError"] == true);
  McpProcess unable(conformance_server());
  initialize_with(unable, Json::object());
  const Json impossible = unable.ask(call(1, "test_sampling", {{"prompt", "p"}}))["result"];
  CHECK(impossible["isError"] == true);
  CHECK(text_of(impossible).find("sampling") != std::string::npos);
}

TEST_CASE("a legacy call that waits for an answer can be cancelled, and ends with the server") {
  McpProcess server(conformance_server());
  initialize_with(server, kAbleToAll);
  server.send(call(1, "test_sampling", {{"prompt", "p"}}));
  CHECK(server.receive()["method"] == "sampling/createMessage");
  server.send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 1}}}});
  CHECK_FALSE(server.try_receive(milliseconds(300)).has_value());
  server.send(call(2, "test_sampling", {{"prompt", "p"}}));
  CHECK(server.receive()["method"] == "sampling/createMessage");
  server.close_input();
  CHECK(server.wait(std::chrono::seconds(6)).code == 0);
}

TEST_CASE("a modern call says what it needs, and is complete when it is called again with that") {
  McpProcess server(conformance_server());
  const Json first = round(server, "test_input_required_result_elicitation")["result"];
  CHECK(first["resultType"] == "input_required");
  CHECK(first["inputRequests"]["user_name"]["method"] == "elicitation/create");
  CHECK_FALSE(first.contains("requestState"));
  const Json responses = {{"user_name", accepted({{"name", "Alice"}})}, {"extra", 7}};
  const Json second =
      round(server, "test_input_required_result_elicitation", {{"inputResponses", responses}})["result"];
  CHECK(second["resultType"] == "complete");
  CHECK(text_of(second) == "Hello, Alice!");
  for (const Json& bad : {Json({{"user_name", 7}}), Json({{"other", Json::object()}}), Json(nullptr)}) {
    CHECK(round(server, "test_input_required_result_elicitation", {{"inputResponses", bad}})["result"]["resultType"] ==
          "input_required");
  }
  CHECK(round(server, "test_input_required_result_elicitation", {{"inputResponses", 7}})["error"]["code"] == -32602);
}

TEST_CASE("the state of a modern call comes back as it was sent, or is refused") {
  McpProcess server(conformance_server());
  const std::string tool = "test_input_required_result_request_state";
  const std::string state = round(server, tool)["result"]["requestState"];
  const Json answered = {{"confirm", accepted({{"ok", true}})}};
  const auto retry = [&](const std::string& name, const Json& with) {
    return round(server, name, {{"inputResponses", answered}, {"requestState", with}});
  };
  CHECK(text_of(retry(tool, state)["result"]) == "state-ok");
  CHECK(retry(tool, state + "x")["error"]["code"] == -32602);
  CHECK(retry(tool, "")["error"]["code"] == -32602);
  CHECK(retry(tool, 7)["error"]["code"] == -32602);
  CHECK(retry("test_input_required_result_tampered_state", state)["error"]["code"] == -32602);
  CHECK(round(server, tool, {{"inputResponses", answered}})["result"]["resultType"] == "input_required");
}

TEST_CASE("a modern client is asked for nothing that it has not declared") {
  McpProcess server(conformance_server());
  const Json refused = round(server, "test_missing_capability", Json::object(), Json::object())["error"];
  CHECK(refused["code"] == -32021);
  CHECK(refused["data"]["requiredCapabilities"] == Json({{"sampling", Json::object()}}));
  const Json some = {{"sampling", Json::object()}};
  const Json asked = round(server, "test_input_required_result_capabilities", Json::object(), some)["result"];
  CHECK(asked["inputRequests"].size() == 1);
  CHECK(asked["inputRequests"].contains("greeting"));
}

TEST_CASE("a prompt can ask, too, since 2026-07-28") {
  McpProcess server(conformance_server());
  const Json params = {{"name", "test_input_required_result_prompt"}};
  Json first = modern_request(1, "prompts/get", params);
  first["params"]["_meta"][kCapabilities] = kAbleToAll;
  CHECK(server.ask(first)["result"]["resultType"] == "input_required");
  Json second = first;
  second["id"] = 2;
  second["params"]["inputResponses"] = {{"user_context", accepted({{"context", "rain"}})}};
  CHECK(server.ask(second)["result"]["messages"].dump().find("rain") != std::string::npos);
  initialize_with(server, kAbleToAll);
  CHECK(server.ask(request(3, "prompts/get", params))["error"]["code"] == -32600);
}

TEST_CASE("what is sealed opens for its purpose, with its own seal, unchanged, and not otherwise") {
  const mcp::StateSeal seal;
  for (const std::string state : {"", "a", "three\nlines\n", "\xff\x01 bytes"}) {
    const std::string sealed = seal.seal("tools/call a", state);
    CHECK(seal.open("tools/call a", sealed).value() == state);
    CHECK_FALSE(seal.open("tools/call b", sealed).ok());
    CHECK_FALSE(mcp::StateSeal().open("tools/call a", sealed).ok());
    for (size_t i = 0; i < sealed.size(); ++i) {
      std::string other = sealed;
      other[i] = other[i] == 'A' ? 'B' : 'A';
      CHECK_FALSE(seal.open("tools/call a", other).ok());
      CHECK_FALSE(seal.open("tools/call a", sealed.substr(0, i)).ok());
    }
  }
}

}  // namespace
}  // namespace amk::test
