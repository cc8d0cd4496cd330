// Prompts and completion, against the program itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "mcp/client.h"
#include "mcp/core/prompt.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

struct Served {
  TempDirectory scratch;
  McpProcess server{amk_mcp(scratch.path() / "workspace"), std::filesystem::current_path().string()};
  Served() { server.initialize(); }

  Json get(const Json& params) { return server.ask(request("p", "prompts/get", params)); }
  std::vector<std::string> complete(const Json& reference, const char* name, const char* value) {
    const Json params = {{"ref", reference}, {"argument", {{"name", name}, {"value", value}}}};
    return server.ask(request("c", "completion/complete", params)).at("result").at("completion").at("values");
  }
};

std::string text_of(const Json& reply) { return reply["result"]["messages"][0]["content"]["text"]; }

bool holds(const std::vector<std::string>& all, const std::string& one) { return std::ranges::count(all, one) == 1; }

TEST_CASE("prompts are listed with their arguments, alike in both eras") {
  Served served;
  const Json list = served.server.ask(request(1, "prompts/list"))["result"]["prompts"];
  CHECK(list == served.server.ask(modern_request(2, "prompts/list"))["result"]["prompts"]);
  std::set<std::string> names;
  for (const Json& prompt : list) {
    names.insert(prompt["name"]);
    CHECK_FALSE(prompt["description"].get<std::string>().empty());
    for (const Json& argument : prompt["arguments"]) CHECK(argument["required"].is_boolean());
  }
  CHECK(names == std::set<std::string>{"amk-optimize", "amk-autoresearch", "amk-compile", "amk-diagnose"});
}

TEST_CASE("a prompt is filled in with what is given, and names only tools and resources that are there") {
  Served served;
  std::set<std::string> tools;
  const Json listed = served.server.ask(request(1, "tools/list"))["result"]["tools"];
  for (const Json& tool : listed) tools.insert(tool["name"]);
  const Json arguments = {{"model", "synthetic:smollm2-135m"}, {"gpu", "a100"}};
  for (const char* name : {"amk-optimize", "amk-autoresearch", "amk-compile", "amk-diagnose"}) {
    CAPTURE(name);
    const bool of_model = std::string(name) != "amk-diagnose";
    const std::string text =
        text_of(served.get({{"name", name}, {"arguments", of_model ? arguments : Json::object()}}));
    if (of_model) {
      CHECK(text.find("synthetic:smollm2-135m") != std::string::npos);
      CHECK(text.find("\"a100\"") != std::string::npos);
    }
    for (size_t at = text.find("amk_"); at != std::string::npos; at = text.find("amk_", at + 1)) {
      const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
      CAPTURE(text.substr(at, end - at));
      CHECK(tools.contains(text.substr(at, end - at)));
    }
    for (size_t at = text.find("amk://docs"); at != std::string::npos; at = text.find("amk://docs", at + 1)) {
      const std::string uri = text.substr(at, text.find_first_of(" .,\n", at) - at);
      CHECK(served.server.ask(request(2, "resources/read", {{"uri", uri}})).contains("result"));
    }
  }
  CHECK(
      text_of(served.get({{"name", "amk-diagnose"}, {"arguments", {{"run_id", "r1"}}}})).find("amk://runs/r1/stderr") !=
      std::string::npos);
}

TEST_CASE("what is wrong with a prompt's request is said so that it can be mended") {
  Served served;
  const auto words = [&](const Json& params) {
    const Json reply = served.get(params);
    CHECK(reply["error"]["code"] == -32602);
    return reply["error"]["message"].get<std::string>();
  };
  CHECK(words(Json::object()).find("params.name") != std::string::npos);
  CHECK(words({{"name", "amk-optimise"}}).find("did you mean 'amk-optimize'") != std::string::npos);
  CHECK(words({{"name", "amk-optimize"}}).find("expected the argument model") != std::string::npos);
  CHECK(words({{"name", "amk-compile"}, {"arguments", {{"model", 7}}}}).find("a text") != std::string::npos);
  CHECK(
      words({{"name", "amk-compile"}, {"arguments", {{"model", "toy"}, {"gpus", "t4"}}}}).find("did you mean 'gpu'") !=
      std::string::npos);
  CHECK(words({{"name", "amk-compile"}, {"arguments", {1}}}).find("an object") != std::string::npos);
}

TEST_CASE("models, targets and runs are completed, for prompts and for resources") {
  Served served;
  const Json optimize = {{"type", "ref/prompt"}, {"name", "amk-optimize"}};
  CHECK(holds(served.complete(optimize, "model", "to"), "toy"));
  CHECK(holds(served.complete(optimize, "model", "llama-3.2"), "synthetic:llama-3.2-1b"));
  CHECK(holds(served.complete(optimize, "model", "shake"), "models/shakespeare-llama-3m"));
  CHECK(served.complete(optimize, "gpu", "h1") == std::vector<std::string>{"h100"});
  CHECK(served.complete(optimize, "goal", "x").empty());
  const Json run = served.server.call("amk_eval", {{"model", "toy"}, {"gpu", "none"}})["structuredContent"];
  const std::string id = run["run_id"];
  CHECK(served.complete({{"type", "ref/prompt"}, {"name", "amk-diagnose"}}, "run_id", "") ==
        std::vector<std::string>{id});
  CHECK(served.complete({{"type", "ref/resource"}, {"uri", "amk://runs/{run_id}/verdict"}}, "run_id",
                        id.substr(0, 5).c_str()) == std::vector<std::string>{id});
}

TEST_CASE("a completion of nothing known is refused") {
  Served served;
  const auto code = [&](const Json& params) {
    return served.server.ask(request("c", "completion/complete", params))["error"]["code"].get<int>();
  };
  const Json argument = {{"name", "model"}, {"value", ""}};
  CHECK(code({{"ref", {{"type", "ref/prompt"}, {"name", "none"}}}, {"argument", argument}}) == -32602);
  CHECK(code({{"ref", {{"type", "ref/resource"}, {"uri", "amk://docs/safety"}}}, {"argument", argument}}) == -32602);
  CHECK(code({{"ref", {{"type", "ref/tool"}, {"name", "amk_eval"}}}, {"argument", argument}}) == -32602);
  CHECK(code({{"ref", {{"type", "ref/prompt"}, {"name", "amk-compile"}}},
              {"argument", {{"name", "x"}, {"value", ""}}}}) == -32602);
  CHECK(code({{"ref", {{"type", "ref/prompt"}, {"name", "amk-compile"}}}}) == -32602);
}

TEST_CASE("what begins so comes before what merely holds it") {
  CHECK(mcp::matching({"b-a", "a-b", "c", "ab"}, "a") == std::vector<std::string>{"a-b", "ab", "b-a"});
}

}  // namespace
}  // namespace amk::test
