// What the log has of HTTP: a line of everything that is refused, and of no header.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "mcp/http_client.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

constexpr const char* kSecret = "s3cret-header";

TEST_CASE("every refusal is a line of the log with its status and reason, and no header's value is in it") {
  TempDirectory scratch;
  const std::filesystem::path log = scratch.path() / "log";
  spill(log, "");
  ::chmod(log.c_str(), 0644);
  {
    HttpServerProcess server(amk_mcp(scratch.path(), {"--log-file", log.string()}));
    const std::string session = begin_session(server.port());
    const Json list = modern_request(1, "tools/list");
    const auto status = [&](const std::string& bytes) { return ask_once(server.port(), bytes).status; };
    const std::string secret = kSecret;
    CHECK(status(modern_post(list, {{"Host", secret}})) == 403);
    CHECK(status(modern_post(list, {{"Origin", "https://" + secret}})) == 403);
    CHECK(status(http_request("POST", "{")) == 400);
    CHECK(status(modern_post(list, {{"Mcp-Method", secret}})) == 400);
    CHECK(status(http_request("DELETE", "", {{"MCP-Protocol-Version", secret}})) == 400);
    CHECK(status(post(request(1, "ping"), {{"MCP-Protocol-Version", secret}})) == 400);
    CHECK(status(post(request(1, "ping"))) == 400);
    CHECK(status(post(request(1, "ping"), {{"Mcp-Session-Id", secret}})) == 404);
    CHECK(status(http_request("GET", "", {{"Mcp-Session-Id", session}, {"Last-Event-ID", secret}})) == 400);
    CHECK(status(http_request("POST", "{\r\n\"a\":\n1}")) == 400);
  }
  const std::string text = slurp(log);
  CAPTURE(text);
  for (const char* line :
       {"http 403 to POST /mcp: expected the Host to be this server's\n", "http 403 to POST /mcp: expected no Origin",
        "http 400: expected JSON in UTF-8\n", "http 400: expected the header Mcp-Method to be \"tools/list\"",
        "http 400: expected the header MCP-Protocol-Version to be a version that this server has\n",
        "http 400: expected the header Mcp-Session-Id, which", "http 404: expected Mcp-Session-Id to be of a session\n",
        "http 400: expected Last-Event-ID to be of an event", "in {\\r\\n\"a\":\\n1}\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(text.find(kSecret) == std::string::npos);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) CHECK(text.substr(at, 2) == "20");
  CHECK((std::filesystem::status(log).permissions() & std::filesystem::perms::all) == std::filesystem::perms{0600});
}

}  // namespace
}  // namespace amk::test
