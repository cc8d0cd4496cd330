// Resources: how URIs are found, and those of amk-mcp against the program itself.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "mcp/client.h"
#include "mcp/core/resource.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

std::string project_root() { return std::filesystem::current_path().string(); }

Json read_reply(McpProcess& server, const std::string& uri, bool modern = false) {
  const Json params = {{"uri", uri}};
  return server.ask(modern ? modern_request("r", "resources/read", params) : request("r", "resources/read", params));
}

/// The one item of contents; throws where the resource cannot be read.
Json contents(McpProcess& server, const std::string& uri) {
  Json item = read_reply(server, uri).at("result").at("contents").at(0);
  CHECK(item["uri"] == uri);
  return item;
}

TEST_CASE("a template takes what is between two slashes, decoded, and nothing else") {
  const auto value = [](const char* uri) {
    const auto found = mcp::match_template("amk://runs/{run_id}/trace", uri);
    return found ? found->at("run_id") : std::string("none");
  };
  CHECK(value("amk://runs/abc/trace") == "abc");
  CHECK(value("amk://runs/a%2Db%2f..%2F/trace") == "a-b/../");
  for (const char* uri : {"amk://runs//trace", "amk://runs/a/b/trace", "amk://runs/a/trac", "amk://runs/a/trace/",
                          "amk://runs/a%/trace", "amk://runs/a%2/trace", "amk://runs/a%zz/trace",
                          "amk://runs/%ff/trace", "amk://runs/%+1/trace", "file:///etc/passwd", ""}) {
    CAPTURE(uri);
    CHECK(value(uri) == "none");
  }
  for (const std::string& text : {std::string("a b/%\n\xc3\xa4"), std::string("plain-._~")})
    CHECK(mcp::percent_decoded(mcp::percent_encoded(text)) == text);
}

TEST_CASE("documents come from inside the program, wherever it runs") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), "/");
  server.initialize();
  const Json list = server.ask(request(1, "resources/list"))["result"]["resources"];
  CHECK(list.size() == 11);
  for (const Json& resource : list) {
    CAPTURE(resource["uri"]);
    for (const char* key : {"name", "title", "description", "mimeType"}) CHECK(resource[key].is_string());
    const Json item = contents(server, resource["uri"]);
    CHECK(item["mimeType"] == resource["mimeType"]);
    CHECK(item["text"].get<std::string>().size() == resource["size"].get<size_t>());
  }
  CHECK(contents(server, "amk://docs/safety")["text"] == slurp("docs/safety.md"));
  CHECK(contents(server, "amk://tables/targets")["text"] == slurp("docs/tables/targets.md"));
  CHECK(Json::parse(contents(server, "amk://schema/schedule")["text"].get<std::string>()) ==
        Json::parse(slurp("docs/schedule.schema.json")));
}

TEST_CASE("capabilities promise what is there, in both eras") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  const Json legacy = server.initialize()["capabilities"];
  const Json modern = server.ask(modern_request(1, "server/discover"))["result"]["capabilities"];
  for (const Json& capabilities : {legacy, modern}) {
    CHECK(capabilities["resources"]["subscribe"] == true);
    for (const char* name : {"tools", "prompts", "completions", "logging"}) CHECK(capabilities.contains(name));
  }
}

TEST_CASE("a missing resource is an error of its era, with the URI") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  server.initialize();
  for (const char* uri :
       {"amk://docs/nothing", "amk://runs/20200101-000000000-eval-0000/verdict", "file:///etc/passwd"}) {
    CAPTURE(uri);
    const Json legacy = read_reply(server, uri);
    CHECK(legacy["error"]["code"] == -32002);
    CHECK(legacy["error"]["data"]["uri"] == uri);
    const Json modern = read_reply(server, uri, true);
    CHECK(modern["error"]["code"] == -32602);
    CHECK(modern["error"]["data"]["uri"] == uri);
  }
  CHECK(server.ask(request(2, "resources/read"))["error"]["code"] == -32602);
  CHECK(server.ask(request(3, "resources/read", {{"uri", 7}}))["error"]["code"] == -32602);
}

TEST_CASE("case 35: no URI leads out of the folder of runs") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path() / "workspace"), project_root());
  server.initialize();
  std::filesystem::create_directories(scratch.path() / "workspace" / "runs");
  std::ofstream(scratch.path() / "request.json") << R"({"tool":"amk_eval","arguments":{},"started_unix":1})";
  std::ofstream(scratch.path() / "stderr.log") << "secret\n";
  for (const char* id :
       {"../..", "..%2F..", "%2e%2e%2f%2e%2e", "..", "%2e%2e", ".", "a%00b", "%2fetc", "$(id)", "%3Bid"}) {
    for (const char* name : {"stderr", "request", "result", "status"}) {
      const std::string uri = std::string("amk://runs/") + id + "/" + name;
      CAPTURE(uri);
      CHECK(read_reply(server, uri)["error"]["code"] == -32002);
      CHECK(read_reply(server, uri, true)["error"]["code"] == -32602);
    }
  }
}

TEST_CASE("a run's folder can be read: verdict, report, program, result, log; what is large as a path") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  server.initialize();
  const Json called = server.call("amk_compile", {{"model", "toy"}, {"gpu", "none"}});
  const Json run = called.at("structuredContent");
  const std::string base = "amk://runs/" + run["run_id"].get<std::string>() + "/";
  const Json verdict = Json::parse(contents(server, base + "verdict")["text"].get<std::string>());
  CHECK(verdict["correct"] == true);
  CHECK(contents(server, base + "report")["mimeType"] == "text/markdown");
  CHECK(contents(server, base + "report")["text"].get<std::string>().find("toy") != std::string::npos);
  CHECK(Json::parse(contents(server, base + "program")["text"].get<std::string>()).is_object());
  CHECK(Json::parse(contents(server, base + "result")["text"].get<std::string>()) ==
        Json::parse(slurp(std::filesystem::path(run["folder"].get<std::string>()) / "result.json")));
  CHECK(Json::parse(contents(server, base + "status")["text"].get<std::string>())["state"] == "done");
  CHECK(contents(server, base + "stderr")["mimeType"] == "text/plain");
  CHECK(read_reply(server, base + "trace")["error"]["code"] == -32002);

  std::set<std::string> links;
  for (const Json& item : called["content"]) {
    if (item["type"] == "resource_link") links.insert(item["uri"]);
  }
  CHECK(links == std::set<std::string>{base + "report", base + "program"});

  std::ofstream(std::filesystem::path(run["folder"].get<std::string>()) / "stderr.log") << std::string(300'000, 'x');
  const Json large = contents(server, base + "stderr");
  CHECK(large["text"].get<std::string>().find("300000 bytes") != std::string::npos);
  CHECK(large["text"].get<std::string>().find("stderr.log") != std::string::npos);
}

TEST_CASE("modern reads say how long they are good: documents for long, runs not at all") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  const Json document = read_reply(server, "amk://docs/ir-spec", true)["result"];
  CHECK(document["resultType"] == "complete");
  CHECK(document["ttlMs"] == 3600000);
  CHECK(document["cacheScope"] == "public");
  const Json run = server.call("amk_eval", {{"model", "toy"}, {"gpu", "none"}}, true)["structuredContent"];
  const Json status = read_reply(server, "amk://runs/" + run["run_id"].get<std::string>() + "/status", true)["result"];
  CHECK(status["ttlMs"] == 0);
  CHECK(status["cacheScope"] == "private");
  const Json templates = server.ask(modern_request(2, "resources/templates/list"))["result"]["resourceTemplates"];
  CHECK(templates.size() == 9);
  for (const Json& one : templates) CHECK(one["uriTemplate"].get<std::string>().starts_with("amk://runs/{run_id}/"));
}

}  // namespace
}  // namespace amk::test
