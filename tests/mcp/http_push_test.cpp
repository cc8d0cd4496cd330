// What belongs to no request, over HTTP: a legacy session's subscriptions are told on the stream of its GET.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "mcp/client.h"
#include "mcp/http_client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

TEST_CASE("a legacy session that listens is told of a run's changes, until it unsubscribes or ends") {
  TempDirectory scratch;
  HttpServerProcess server(amk_mcp(scratch.path()));
  const Headers session = {{"Mcp-Session-Id", begin_session(server.port())}};
  const auto ask = [&](const Json& message) { return ask_once(server.port(), post(message, session)).json(); };
  HttpConnection listening(server.port());
  listening.send(http_request("GET", "", session));
  CHECK(listening.read_reply().status == 200);
  const Json arguments = {{"source", "synthetic:smollm2-135m"},
                          {"prompt_ids", {1}},
                          {"max_tokens", 2000},
                          {"ignore_eos", true},
                          {"device", "cpu"},
                          {"wait_s", 0}};
  const Json begun = ask(request(1, "tools/call", {{"name", "amk_generate"}, {"arguments", arguments}}));
  const std::string id = begun["result"]["structuredContent"]["run_id"];
  const std::string uri = "amk://runs/" + id + "/status";
  CHECK(ask(request(2, "resources/subscribe", {{"uri", uri}}))["result"] == Json::object());
  ask(request(3, "tools/call", {{"name", "amk_run_cancel"}, {"arguments", {{"run_id", id}}}}));
  const Json told = listening.next_message();
  CHECK(told["method"] == "notifications/resources/updated");
  CHECK(told["params"]["uri"] == uri);
  CHECK(ask_once(server.port(), http_request("DELETE", "", session)).status == 204);
  while (!listening.stream_ended() && listening.next_event()) {
  }
  CHECK(listening.stream_ended());
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
}

}  // namespace
}  // namespace amk::test
