// amk_loop and amk_history, and one machine for many callers: against the program itself, on the CPU.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "mcp/client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

std::string project_root() { return std::filesystem::current_path().string(); }

Json structured(McpProcess& server, const std::string& tool, const Json& arguments) {
  const Json result = server.call(tool, arguments);
  CAPTURE(result.dump());
  REQUIRE(result.value("isError", true) == false);
  return result["structuredContent"];
}

/// So many trials, also of a campaign that has gone without a keep for long.
Json short_loop(int trials) {
  return {{"model", "toy"}, {"gpu", "none"}, {"trials", trials}, {"max_reverts", 0}, {"threads", 1}};
}

/// A campaign that goes on until it is ended.
Json endless_loop() {
  Json out = {{"model", "toy"},   {"gpu", "none"},     {"minutes", 600},
              {"max_reverts", 0}, {"pct_of_floor", 0}, {"threads", 1}};
  return out;
}

TEST_CASE("a campaign is searched, goes on where it was, and its history says what was tried") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  server.initialize();
  CHECK(structured(server, "amk_history", Json::object())["campaigns"].empty());
  const Json first = structured(server, "amk_loop", short_loop(4));
  CHECK(first["state"] == "done");
  CHECK(first["result"]["trials"] == 4);
  CHECK(first["result"]["latency_kind"] == "predicted");
  CHECK(first["summary"].get<std::string>().find("(predicted)") != std::string::npos);
  const Json second = structured(server, "amk_loop", short_loop(2));
  CHECK(second["result"]["tried"][0]["trial"] == 5);
  Json other = short_loop(1);
  other["campaign"] = "other";
  structured(server, "amk_loop", other);

  const Json list = structured(server, "amk_history", Json::object());
  CHECK(list["campaigns"].size() == 2);
  CHECK(list["campaign"].is_null());
  const Json one = structured(server, "amk_history", {{"campaign", "toy-h100-predicted"}, {"trials", 3}})["campaign"];
  CHECK(one["trial_count"] == 6);
  CHECK(one["trials"].size() == 3);
  CHECK(one["trials"][2]["trial"] == 6);
  CHECK(one["incumbent"] == second["result"]["incumbent"]);
  const Json missing = server.call("amk_history", {{"campaign", "none"}});
  CHECK(missing["isError"] == true);
  CHECK(missing["content"][0]["text"].get<std::string>().find("toy-h100-predicted") != std::string::npos);
}

TEST_CASE("no argument of amk_loop reaches a shell") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path() / "workspace"), project_root());
  server.initialize();
  Json proposer = short_loop(1);
  proposer["proposer"] = "touch " + (scratch.path() / "trap").string();
  CHECK(server.call("amk_loop", proposer)["isError"] == true);
  Json name = short_loop(1);
  name["campaign"] = "$(touch " + (scratch.path() / "trap").string() + ")";
  CHECK(server.call("amk_loop", name)["isError"] == true);
  CHECK_FALSE(std::filesystem::exists(scratch.path() / "trap"));
}

TEST_CASE("progress of a search tells the trial, the best so far, the rate and the time left") {
  TempDirectory scratch;
  McpProcess server(amk_mcp(scratch.path()), project_root());
  server.initialize();
  server.send(request("loop", "tools/call",
                      {{"name", "amk_loop"}, {"arguments", endless_loop()}, {"_meta", {{"progressToken", "p"}}}}));
  std::string words;
  while (words.find("searching, trial") == std::string::npos || words.find("best") == std::string::npos) {
    const Json message = server.receive();
    REQUIRE(message["method"] == "notifications/progress");
    words = message["params"]["message"];
  }
  CHECK(words.find(" us (predicted), ") != std::string::npos);
  CHECK(words.find("trials a minute") != std::string::npos);
  CHECK(words.find("min left") != std::string::npos);
  // Cancelling the call ends its run, which would outlive the server.
  server.send({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", "loop"}}}});
  const Json runs = structured(server, "amk_runs", Json::object())["runs"];
  REQUIRE(runs.size() == 1);
  const Json ended = structured(server, "amk_run_status", {{"run_id", runs[0]["run_id"]}, {"wait_s", 20}});
  CHECK(ended["state"] == "cancelled");
}

TEST_CASE("two servers search one workspace in turn; a cancelled campaign loses nothing and makes way") {
  TempDirectory scratch;
  McpProcess one(amk_mcp(scratch.path()), project_root());
  McpProcess two(amk_mcp(scratch.path()), project_root());
  one.initialize();
  two.initialize();
  Json endless = endless_loop();
  endless["wait_s"] = 2;
  const Json running = structured(one, "amk_loop", endless);
  CHECK(running["state"] == "running");
  Json short_wait = short_loop(1);
  short_wait["wait_s"] = 0;
  const Json waiting = structured(two, "amk_loop", short_wait);
  CHECK(waiting["state"] == "queued");
  const Json meanwhile = structured(two, "amk_history", {{"trials", 200}})["campaign"];
  CHECK(meanwhile["trial_count"].get<int>() >= 1);
  CHECK(structured(two, "amk_run_cancel", {{"run_id", running["run_id"]}})["state"] == "cancelled");
  const Json next = structured(one, "amk_run_status", {{"run_id", waiting["run_id"]}, {"wait_s", 60}});
  CHECK(next["state"] == "done");
  CHECK(next["result"]["tried"][0]["trial"].get<int>() > meanwhile["trial_count"].get<int>());
}

TEST_CASE("a workspace that somebody else searches is refused in words that name them") {
  TempDirectory scratch;
  McpProcess outside(amk_mcp(scratch.path()), project_root());
  outside.initialize();
  Json endless = endless_loop();
  endless["wait_s"] = 2;
  const Json running = structured(outside, "amk_loop", endless);
  // Another queue on the same history: what the command line is to a server.
  std::filesystem::rename(scratch.path() / "runs.lock", scratch.path() / "runs.lock.old");
  McpProcess server(amk_mcp(scratch.path()), project_root());
  server.initialize();
  const Json refused = server.call("amk_loop", short_loop(1));
  CHECK(refused["isError"] == true);
  CHECK(refused["content"][0]["text"].get<std::string>().find("held by process") != std::string::npos);
  CHECK(structured(server, "amk_run_cancel", {{"run_id", running["run_id"]}})["state"] == "cancelled");
  CHECK(structured(server, "amk_loop", short_loop(1))["state"] == "done");
}

}  // namespace
}  // namespace amk::test
