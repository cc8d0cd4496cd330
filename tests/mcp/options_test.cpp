// The command line of amk-mcp: what it refuses, with which words; and what tools pass on to that of amk.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/toolset.h"
#include "support/temp_directory.h"

namespace amk::test {
namespace {

struct Ended {
  int code = -1;
  std::string words;
};

/// The program by a shell, with an empty input: what it says and how it ends.
Ended run(const std::string& before, const std::string& options) {
  const std::string command = before + " " + AMK_MCP_PROGRAM + " " + options + " </dev/null 2>&1";
  Ended out;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  for (size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    out.words.append(buffer.data(), got);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) out.code = WEXITSTATUS(status);
  return out;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("--tools without a name, and options that leave no tool, are refused") {
  TempDirectory scratch;
  const std::string workspace = "--workspace " + scratch.path().string();
  for (const char* none : {" --tools ''", " --tools ,", " --tools=", " --tools=,,"}) {
    CAPTURE(none);
    const Ended ended = run("", workspace + none);
    CHECK(ended.code == 2);
    CHECK(holds(ended.words, "--tools: expected names of tools"));
  }
  const Ended nothing = run("", workspace + " --read-only --tools amk_eval,amk_bench");
  CHECK(nothing.code == 2);
  CHECK(holds(nothing.words, "leave none"));
  CHECK(run("", workspace + " --tools amk_eval,").code == 0);
}

TEST_CASE("--allowed-origin takes what browsers send as an Origin, and nothing that would match nothing") {
  TempDirectory scratch;
  const std::string serve = "--workspace " + scratch.path().string() + " --http --port 0 --allowed-origin ";
  for (const char* wrong : {"amk.example.com", "https://", "https://amk.example.com/mcp", "ftp://amk.example.com",
                            "'https://a b'", "https://user@amk.example.com", "https://amk.example.com:80x",
                            "https://amk.example.com:", "'*'", "null", "'https://[amk]'", "''"}) {
    CAPTURE(wrong);
    const Ended ended = run("timeout 5", serve + wrong);
    CHECK(ended.code == 2);
    CHECK(holds(ended.words, "--allowed-origin: expected the origin of a page"));
  }
  for (const char* right : {"https://amk.example.com", "http://amk.example.com:8080/", "HTTPS://AMK.example.com",
                            "'http://[fe80::1]:80'", "http://10.0.0.1"}) {
    CAPTURE(right);
    CHECK(run("timeout -s TERM 1", serve + right).code == 124);
  }
}

TEST_CASE("without a home and in the root, there is no workspace but one that is named") {
  TempDirectory scratch;
  const Ended refused = run("cd / && env -u HOME -u AMK_HOME", "--stdio");
  CHECK(refused.code == 3);
  CHECK(holds(refused.words, "--workspace"));
  CHECK(run("cd / && env -u HOME -u AMK_HOME", "--workspace " + scratch.path().string()).code == 0);
  CHECK(run("cd / && env -u AMK_HOME HOME=" + scratch.path().string(), "").code == 0);
}

TEST_CASE("a number that is whole is passed on as an integer, wherever it is, however it was written") {
  const mcp::Json arguments =
      mcp::Json::parse(R"({"model":"toy","positions":4.0,"list":[1.0,2.5],"temperature":0.5,"large":1e300,)"
                       R"("schedule":{"pipelining_depth":8.0,"a":[1e2,"1.0"]}})");
  const auto command = mcp::amk_command("eval", arguments, "model");
  REQUIRE(command.ok());
  const auto has = [&](const std::string& word) { return std::ranges::count(*command, word) == 1; };
  CHECK(has("--positions=4"));
  CHECK(has("--list=1,2.5"));
  CHECK(has("--temperature=0.5"));
  CHECK(has(R"(--schedule={"pipelining_depth":8,"a":[100,"1.0"]})"));
  CHECK(has("--large=1e+300"));
}

TEST_CASE("what amk says of an option is said of the argument that it was") {
  const auto location = [](const char* said) {
    return mcp::error_in({{"error", {{"code", "usage"}, {"message", "no"}, {"location", said}}}})->location;
  };
  CHECK(location("--max-tokens") == "max_tokens");
  CHECK(location("schedule.tiling") == "schedule.tiling");
  CHECK(location("/some--path/a-b") == "/some--path/a-b");
}

}  // namespace
}  // namespace amk::test
