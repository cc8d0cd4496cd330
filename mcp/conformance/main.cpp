// amk-mcp-conformance: what amk-mcp is made of, the protocol and the transports, with the fixtures of the conformance
// suite in place of its tools. For tests only.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/conformance/fixtures.h"
#include "mcp/core/server.h"
#include "mcp/http/serve_http.h"
#include "mcp/stdio/channel.h"
#include "mcp/stdio/serve_stdio.h"

namespace amk::mcp {
namespace {

constexpr const char* kUsageText =
    "usage: amk-mcp-conformance [--http --port N]\n"
    "expected no argument, for a server on standard input and output, or --http --port N, for one on loopback\n";

std::optional<uint16_t> port_of(const std::vector<std::string_view>& arguments) {
  if (arguments.size() != 3 || arguments[0] != "--http" || arguments[1] != "--port") return std::nullopt;
  uint16_t port = 0;
  const std::string_view text = arguments[2];
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

Server fixture_server() {
  std::vector<Tool> tools = telling_tools();
  for (Tool& tool : asking_tools()) tools.push_back(std::move(tool));
  return Server({"amk-mcp-conformance", "Fixtures of the conformance suite", AMK_VERSION, "For tests."},
                std::move(tools), fixture_resources(), fixture_prompts());
}

int run_program(const std::vector<std::string_view>& arguments) {
  const std::optional<uint16_t> port = port_of(arguments);
  if (!port && !arguments.empty()) {
    fmt::print(stderr, "{}", kUsageText);
    return 2;
  }
  const Server server = fixture_server();
  LogFile log;
  HttpOptions http;
  http.port = port.value_or(0);
  const auto tell_where = [](const std::string& url) { fmt::print(stderr, "listening on {}\n", url); };
  const Status served = port ? serve_http(server, http, log, tell_where) : serve_stdio(server, log);
  if (served) return 0;
  fmt::print(stderr, "amk-mcp-conformance: {}\n", served.error().text());
  return 3;
}

}  // namespace
}  // namespace amk::mcp

int main(int argc, char** argv) { return amk::mcp::run_program({argv + 1, argv + argc}); }
