#include "ipc/worker_client.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/base64.h"
#include "support/environment.h"

using namespace amk;
using namespace amk::ipc;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kLong = seconds(30);

WorkerClient started(std::vector<std::string> arguments) {
  auto client = WorkerClient::start({std::move(arguments)});
  REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
  return std::move(client).value();
}

WorkerClient worker() { return started({AMK_WORKER_PROGRAM, "--test-hooks"}); }
WorkerClient odd(const char* how) { return started({ODD_WORKER_PROGRAM, how}); }

Error failure(WorkerClient& client, std::string_view name, const Json& params, milliseconds deadline = kLong) {
  const auto result = client.call(name, params, deadline);
  REQUIRE_FALSE(result.ok());
  return result.error();
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
bool no_children_left() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

/// Gone, or waiting for its parent to look.
bool is_dead(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  return !std::getline(file, line) || has(line, ") Z ");
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

/// It works, in a child of that generation.
void check_works(WorkerClient& client, uint64_t generation) {
  CHECK(client.call("echo", {{"value", 5}}, kLong).value() == 5);
  CHECK(client.end() == CallEnd::kResult);
  CHECK(client.generation() == generation);
}

}  // namespace

TEST_CASE("a worker says who it is, and what is on its machine or why there is nothing") {
  WorkerClient client = worker();
  CHECK(client.hello()["program"] == "amk-worker");
  CHECK(client.hello()["pid"] == client.pid());
  const auto devices = client.call("devices", Json::object(), kLong);
  if (devices.ok()) {
    CHECK(devices->is_array());
  } else {
    CHECK(devices.error().code == ErrorCode::kUnsupported);
    CHECK(has(devices.error().message, "driver"));
    CHECK(client.end() == CallEnd::kError);
  }
  CHECK(client.generation() == 1);
}

TEST_CASE("a thousand calls go to one child, with their progress in order, and leave no descriptor") {
  WorkerClient client = worker();
  const pid_t pid = client.pid();
  const size_t before = open_descriptors();
  for (int i = 0; i < 1000; ++i) {
    int steps = 0;
    const auto result = client.call("echo", {{"value", i}, {"progress", i % 3}}, kLong,
                                    [&](const Json& progress) { CHECK(progress["step"] == steps++); });
    REQUIRE(result.ok());
    CHECK(*result == i);
    CHECK(steps == i % 3);
  }
  CHECK(client.pid() == pid);
  CHECK(open_descriptors() == before);
}

TEST_CASE("a large value goes there and back while both sides write") {
  WorkerClient client = worker();
  std::vector<std::byte> bytes(6'000'000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 / 7);
  const auto result = client.call("echo", {{"value", base64_encode(bytes)}, {"progress", 1000}}, kLong);
  REQUIRE(result.ok());
  CHECK((base64_decode(result->get<std::string>()).value() == bytes));
}

TEST_CASE("a handler's error comes back whole, with its fault, and the worker lives") {
  WorkerClient client = worker();
  const Error plain = failure(client, "fail", Json::object());
  CHECK(plain.code == ErrorCode::kUnsupported);
  CHECK(plain.text() == "a location: a message (a hint)");
  CHECK_FALSE(client.fault().has_value());
  failure(client, "fail", {{"fault", true}});
  CHECK(client.end() == CallEnd::kError);
  CHECK(client.fault() == Fault{7, "qkv.3", 11, 5, 41, 42, 2000.5});
  const Error thrown = failure(client, "fail", {{"throw", true}});
  CHECK(thrown.code == ErrorCode::kInternal);
  CHECK(thrown.message == "'fail' threw: as it was asked to");
  CHECK_FALSE(client.fault().has_value());
  const Error parameters = failure(client, "echo", {{"vaule", 1}});
  CHECK(parameters.code == ErrorCode::kUsage);
  CHECK(has(parameters.message, "'value'"));
  const Error unknown = failure(client, "devcies", nullptr);
  CHECK(unknown.code == ErrorCode::kUsage);
  CHECK(has(unknown.message, "did you mean 'devices'"));
  check_works(client, 1);
}

TEST_CASE("without --test-hooks a worker has none") {
  WorkerClient client = started({AMK_WORKER_PROGRAM});
  CHECK(failure(client, "crash", {{"exit", 1}}).code == ErrorCode::kUsage);
  CHECK(client.generation() == 1);
}

TEST_CASE("a crash is told with its signal or exit code and the last words, and the next call gets a new child") {
  WorkerClient client = worker();
  const pid_t first = client.pid();
  const Error killed = failure(client, "crash", {{"signal", SIGSEGV}, {"say", "this is why"}});
  CHECK(client.end() == CallEnd::kCrash);
  CHECK(killed.code == ErrorCode::kInternal);
  CHECK(killed.message == "the worker ended with signal 11 (Segmentation fault) during request 'crash'");
  CHECK(killed.location == AMK_WORKER_PROGRAM);
  CHECK(killed.hint == "its last words:\nthis is why");
  CHECK(client.pid() == 0);
  CHECK(has(client.stderr_tail(), "this is why"));
  CHECK(no_children_left());
  check_works(client, 2);
  CHECK(client.pid() != first);
  const Error exited = failure(client, "crash", {{"exit", 3}});
  CHECK(exited.message == "the worker ended with exit code 3 during request 'crash'");
  CHECK(exited.hint.empty());
  check_works(client, 3);
}

TEST_CASE("a hang ends at its deadline: killed, reaped, told with the deadline and the last words") {
  WorkerClient client = worker();
  const pid_t pid = client.pid();
  const auto begin = Clock::now();
  const Error error = failure(client, "hang", {{"say", "waiting for counter 5"}}, milliseconds(300));
  CHECK(Clock::now() - begin >= milliseconds(300));
  CHECK(Clock::now() - begin < seconds(10));
  CHECK(client.end() == CallEnd::kDeadline);
  CHECK(error.code == ErrorCode::kInternal);
  CHECK(error.message == "request 'hang' was not done within 0.3 s: its worker was killed");
  CHECK(error.hint == "its last words:\nwaiting for counter 5");
  CHECK(::kill(pid, 0) == -1);
  CHECK(no_children_left());
  check_works(client, 2);
}

TEST_CASE("what a handler prints to stdout is no frame: it joins stderr") {
  WorkerClient client = worker();
  CHECK(client.call("babble", {{"say", "printf was here"}}, kLong).value() == nullptr);
  check_works(client, 1);
  failure(client, "crash", {{"exit", 0}});
  CHECK(has(client.stderr_tail(), "printf was here"));
}

TEST_CASE("a worker that ends between two calls is replaced without a word") {
  WorkerClient client = worker();
  REQUIRE(::kill(client.pid(), SIGKILL) == 0);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(client.pid()), &info, WEXITED | WNOWAIT) == 0);
  check_works(client, 2);
}

TEST_CASE("every kind of nonsense ends in an error that says which, and in a dead worker") {
  struct Case {
    const char* how;
    CallEnd end;
    const char* says;
  };
  const Case cases[] = {
      {"half-frame", CallEnd::kCrash,
       "exit code 5 during request 'x': expected a frame of 100 bytes, found the end after 6"},
      {"half-length", CallEnd::kCrash, "exit code 0 during request 'x': expected 4 bytes of a frame's length"},
      {"half-frame-and-stay", CallEnd::kDeadline, "was not done within 0.5 s"},
      {"oversized", CallEnd::kNonsense, "expected a frame of at most 268435456 bytes, found a length of 2147483647"},
      {"text", CallEnd::kNonsense, "(as text 'Warn')"},
      {"not-json", CallEnd::kNonsense, "expected JSON in a frame, found '{oops'"},
      {"wrong-id", CallEnd::kNonsense, "expected a reply to 2, found {\"id\":3"},
      {"no-result", CallEnd::kNonsense, "expected a result or an error, found {\"id\":2"},
      {"bad-error", CallEnd::kNonsense, "expected a result or an error, found {\"id\":2"},
      {"close", CallEnd::kNonsense, "expected a reply, found its output closed"},
      {"says-nothing", CallEnd::kDeadline, "was not done within 0.5 s"},
  };
  for (const Case& test : cases) {
    CAPTURE(test.how);
    WorkerClient client = odd(test.how);
    const Error error = failure(client, "x", nullptr, milliseconds(500));
    CHECK(client.end() == test.end);
    CHECK(error.code == ErrorCode::kInternal);
    CAPTURE(error.message);
    CHECK(has(error.message, test.says));
    CHECK(client.pid() == 0);
    CHECK(no_children_left());
  }
}

TEST_CASE("a worker that takes no input meets the deadline too") {
  WorkerClient client = odd("deaf");
  const Error error = failure(client, "x", std::string(3'000'000, 'x'), milliseconds(300));
  CHECK(client.end() == CallEnd::kDeadline);
  CHECK(has(error.message, "was not done within 0.3 s"));
}

TEST_CASE("a worker that floods its stderr is not held up by it") {
  WorkerClient client = odd("flood");
  CHECK(client.call("x", nullptr, kLong).value() == "flooded");
  failure(client, "hang", nullptr, milliseconds(1));
  CHECK(client.stderr_tail().size() == ChildProcess::kStderrBytesMax);
}

TEST_CASE("what a worker started itself goes with it") {
  pid_t grandchild = 0;
  {
    WorkerClient client = odd("grandchild");
    grandchild = client.call("x", nullptr, kLong).value().get<pid_t>();
    REQUIRE(::kill(grandchild, 0) == 0);
  }
  CHECK(no_children_left());
  // Whoever adopts it may take a moment to reap it, or never do.
  for (const auto begin = Clock::now(); !is_dead(grandchild) && Clock::now() - begin < seconds(10);) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  CHECK(is_dead(grandchild));
}

TEST_CASE("a worker that cannot begin is an error of start(), and leaves nothing") {
  const auto fails = [](std::vector<std::string> arguments, milliseconds deadline = kLong) {
    const auto client = WorkerClient::start({std::move(arguments), deadline});
    REQUIRE_FALSE(client.ok());
    CHECK(no_children_left());
    return client.error();
  };
  CHECK(fails({"/no/such/amk-worker"}).code == ErrorCode::kIo);
  const Error old = fails({ODD_WORKER_PROGRAM, "old"});
  CHECK(old.code == ErrorCode::kUnsupported);
  CHECK(has(old.message, "expected a worker that speaks protocol 1, found {\"protocol\":0}"));
  const Error dead = fails({ODD_WORKER_PROGRAM, "dies-at-once"});
  CHECK(has(dead.message, "exit code 7 during request 'hello'"));
  CHECK(has(dead.hint, "no GPU today"));
  CHECK(
      has(fails({ODD_WORKER_PROGRAM, "mute"}, milliseconds(200)).message, "request 'hello' was not done within 0.2 s"));
  CHECK(has(fails({AMK_WORKER_PROGRAM, "--nonsense"}).hint, "found '--nonsense'"));
}

TEST_CASE("a request that is too large is refused, and the worker lives") {
  WorkerClient client = worker();
  const Error error = failure(client, "echo", {{"value", std::string(kFrameBytesMax, 'x')}});
  CHECK(error.code == ErrorCode::kUsage);
  CHECK(client.end() == CallEnd::kNotSent);
  check_works(client, 1);
}

TEST_CASE("the installed worker is $AMK_WORKER, else the one beside this program") {
  {
    const test::Environment named("AMK_WORKER", "/some/worker");
    CHECK(installed_worker()->arguments == std::vector<std::string>{"/some/worker"});
  }
  const test::Environment unnamed("AMK_WORKER", nullptr);
  const auto found = installed_worker();
  REQUIRE(found.ok());
  CHECK(std::filesystem::equivalent(found->arguments.front(), AMK_WORKER_PROGRAM));
}

TEST_CASE("a child that is stopped is gone, and the next call gets a new one") {
  WorkerClient client = worker();
  check_works(client, 1);
  const pid_t child = client.pid();
  client.stop();
  CHECK(client.pid() == 0);
  CHECK(::kill(child, 0) == -1);
  client.stop();  // nothing more to stop
  check_works(client, 2);
}

TEST_CASE("a call that is attended goes on as long as the worker is heard, however long that is in all") {
  WorkerClient client = worker();
  int heard = 0;
  const auto patience = [&](const Json& progress) -> std::optional<milliseconds> {
    CHECK(progress["step"] == heard);
    ++heard;
    return milliseconds(1500);
  };
  const auto started = Clock::now();
  CHECK(client.call_attended("dawdle", {{"reports", 8}, {"pause_ms", 250}}, milliseconds(1500), patience).ok());
  CHECK(Clock::now() - started > milliseconds(2000));
  CHECK(heard == 8);
  check_works(client, 1);
}

TEST_CASE("a call that is attended ends at the first silence that is longer than allowed, wherever it comes") {
  WorkerClient client = worker();
  const auto patience = [](const Json&) -> std::optional<milliseconds> { return milliseconds(200); };
  const auto late =
      client.call_attended("dawdle", {{"reports", 1}, {"pause_ms", 1500}}, milliseconds(10'000), patience);
  REQUIRE_FALSE(late.ok());
  CHECK(client.end() == CallEnd::kDeadline);
  CHECK(late.error().message == "request 'dawdle' was not heard of again within 0.2 s: its worker was killed");
  const auto mute = client.call_attended("hang", {}, milliseconds(300), patience);
  REQUIRE_FALSE(mute.ok());
  CHECK(mute.error().message == "request 'hang' was not done within 0.3 s: its worker was killed");
  check_works(client, 3);
}

TEST_CASE("progress that is none of the request's ends an attended call as nonsense") {
  WorkerClient client = worker();
  const auto patience = [](const Json&) -> std::optional<milliseconds> { return std::nullopt; };
  const auto result = client.call_attended("echo", {{"value", 1}, {"progress", 2}}, kLong, patience);
  REQUIRE_FALSE(result.ok());
  CHECK(client.end() == CallEnd::kNonsense);
  CHECK(has(result.error().message, "expected progress of the request, found {\"step\":0}"));
  check_works(client, 2);
}

TEST_CASE("a launcher's words are split as a shell splits them, and by nothing more than that") {
  using Words = std::vector<std::string>;
  CHECK(split_words("srun --gres=gpu:1").value() == Words{"srun", "--gres=gpu:1"});
  CHECK(split_words("  a\t'b c' \"d 'e'\" f'g'\"h\" '' ").value() == Words{"a", "b c", "d 'e'", "fgh", ""});
  CHECK(split_words(R"(a\ b "c\"d" 'e\f' $HOME;|)").value() == Words{"a b", "c\"d", "e\\f", "$HOME;|"});
  CHECK(split_words(" ").value().empty());
  for (const char* open : {"'a", "a \"b", "\"a\\\""}) CHECK(split_words(open).error().code == ErrorCode::kUsage);
}

TEST_CASE("a launcher that forwards the streams is as good as the worker: env, a script, one that goes by the line") {
  const test::Environment named("AMK_WORKER", AMK_WORKER_PROGRAM);
  CHECK(launched_worker("").value().arguments == std::vector<std::string>{AMK_WORKER_PROGRAM});
  CHECK_FALSE(launched_worker("'").ok());
  for (const char* launch : {"/usr/bin/env A=1", "sh -c '\"$0\" \"$@\"'", "sh -c 'exec \"$0\" | sed -u \"\"'"}) {
    CAPTURE(launch);
    auto client = WorkerClient::start(launched_worker(launch).value());
    REQUIRE_MESSAGE(client.ok(), (client.ok() ? "" : client.error().text()));
    CHECK(client->hello()["program"] == "amk-worker");
    CHECK_FALSE(client->call("no-such-request", {}, kLong).ok());
    CHECK(client->generation() == 1);
  }
  CHECK(no_children_left());
}

TEST_CASE("a client may start its worker with the first call") {
  WorkerClient client = WorkerClient::when_called({{AMK_WORKER_PROGRAM, "--test-hooks"}});
  CHECK(client.pid() == 0);
  check_works(client, 1);
}
