#include "ipc/run_command.h"

#include <doctest/doctest.h>

#include <chrono>

using namespace amk;
using namespace std::chrono_literals;

namespace {

Result<std::string> shell(const std::string& script, std::string_view input = "",
                          ipc::CommandLimits limits = {5s, 1000}) {
  return ipc::run_command({"/bin/sh", "-c", script}, input, limits);
}

std::string message_of(const std::string& script, ipc::CommandLimits limits = {5s, 1000}) {
  const auto found = shell(script, "", limits);
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == ErrorCode::kBadInput);
  return found.error().message;
}

}  // namespace

TEST_CASE("text goes in and comes out, more than a pipe holds") {
  CHECK(shell("echo hello").value() == "hello\n");
  CHECK(shell("tr a-z A-Z", "abc").value() == "ABC");
  const std::string large(3'000'000, 'x');
  CHECK(shell("cat", large, {20s, 4'000'000}).value() == large);
  CHECK(shell("wc -c | tr -d ' '", large).value() == "3000000\n");
}

TEST_CASE("a program that does not read its input is none the worse") {
  CHECK(shell("echo done", std::string(3'000'000, 'x')).value() == "done\n");
  CHECK(shell("exec <&-; sleep 0.1; echo done", std::string(3'000'000, 'x')).value() == "done\n");
}

TEST_CASE("what takes too long, says too much or fails is refused, and its words are the hint") {
  CHECK(message_of("sleep 60", {200ms, 1000}) == "expected an answer within 200 ms, found none");
  CHECK(message_of("exec >&-; sleep 60", {200ms, 1000}) == "expected an answer within 200 ms, found none");
  CHECK(message_of("yes") == "expected at most 1000 bytes of answer, found more");
  CHECK(message_of("exit 3").find("exit code 3") != std::string::npos);
  CHECK(message_of("kill -9 $$").find("signal 9") != std::string::npos);
  CHECK(shell("echo sorry >&2; exit 1").error().hint == "sorry\n");
  CHECK(ipc::run_command({"/no/such/program"}, "", {}).error().code == ErrorCode::kIo);
}

TEST_CASE("what a program leaves running is ended with it") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK_FALSE(shell("sleep 60 & sleep 60", "", {200ms, 1000}).ok());
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
}
