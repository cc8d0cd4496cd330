#include "ipc/child_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

using namespace amk;
using namespace amk::ipc;
using std::chrono::milliseconds;

namespace {

ChildProcess shell(const std::string& script) {
  auto child = ChildProcess::start({"sh", "-c", script});
  REQUIRE_MESSAGE(child.ok(), (child.ok() ? "" : child.error().text()));
  return std::move(child).value();
}

/// All of its stdout, until it is closed.
std::string read_all(const ChildProcess& child) {
  std::string out;
  char buffer[4096];
  while (true) {
    const ssize_t got = ::read(child.stdout_fd(), buffer, sizeof buffer);
    if (got == 0) return out;
    if (got > 0) out.append(buffer, static_cast<size_t>(got));
    if (got < 0) std::this_thread::sleep_for(milliseconds(1));
  }
}

bool no_children_left() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }
bool lives(pid_t pid) { return ::kill(pid, 0) == 0; }

}  // namespace

TEST_CASE("a child's streams are ours, and its end is seen") {
  ChildProcess child = shell("read line; echo \"got $line\"; echo bad >&2; exit 3");
  REQUIRE(::write(child.stdin_fd(), "x\n", 2) == 2);
  child.close_stdin();
  CHECK(child.stdin_fd() == -1);
  CHECK(read_all(child) == "got x\n");
  const auto status = child.wait(std::nullopt);
  REQUIRE(status.has_value());
  CHECK(status->exit_code == 3);
  CHECK(status->signal == 0);
  CHECK(status->text() == "exit code 3");
  CHECK(child.stderr_tail() == "bad\n");
  CHECK(child.wait(Clock::now())->exit_code == 3);
  CHECK(child.kill()->exit_code == 3);
  CHECK(no_children_left());
}

TEST_CASE("a program that cannot be started is an error that says why, and leaves nothing") {
  for (const char* program : {"/no/such/program", "no-such-program-in-path"}) {
    const auto child = ChildProcess::start({program});
    REQUIRE_FALSE(child.ok());
    CHECK(child.error().code == ErrorCode::kIo);
    CHECK(child.error().location == program);
    CHECK(child.error().message == "cannot start the program: No such file or directory");
  }
  CHECK(ChildProcess::start({"/"}).error().message == "cannot start the program: Permission denied");
  CHECK(no_children_left());
}

TEST_CASE("a signal that ends it is named") {
  ChildProcess child = shell("kill -SEGV $$");
  CHECK(child.wait(std::nullopt)->text() == "signal 11 (Segmentation fault)");
}

TEST_CASE("a wait has a deadline, and a kill ends what ignores being asked") {
  ChildProcess child = shell("trap '' TERM INT; echo ready; while :; do sleep 100; done");
  while (::kill(child.pid(), 0) != 0) {
  }
  CHECK_FALSE(child.wait(Clock::now() + milliseconds(20)).has_value());
  CHECK(child.kill()->signal == SIGKILL);
  CHECK(no_children_left());
}

TEST_CASE("only the last of stderr is kept, and a child that writes much of it does not block") {
  ChildProcess child = shell("i=0; while [ $i -lt 20000 ]; do echo \"line $i\" >&2; i=$((i+1)); done; echo done");
  CHECK(read_all(child) == "done\n");
  REQUIRE(child.wait(std::nullopt).has_value());
  const std::string tail = child.stderr_tail();
  CHECK(tail.size() == ChildProcess::kStderrBytesMax);
  CHECK(tail.ends_with("line 19998\nline 19999\n"));
}

TEST_CASE("a child goes with its object, its own children too, and moves with it") {
  pid_t pid = 0;
  pid_t grandchild = 0;
  {
    ChildProcess first = shell("sleep 1000 & echo $!; wait");
    std::string line;
    while (!line.ends_with('\n')) {
      char c = 0;
      if (::read(first.stdout_fd(), &c, 1) == 1) line += c;
    }
    grandchild = std::stoi(line);
    pid = first.pid();
    ChildProcess second(std::move(first));
    first = shell("sleep 1000");
    const pid_t other = first.pid();
    first = std::move(second);
    CHECK(first.pid() == pid);
    CHECK_FALSE(lives(other));
    CHECK(lives(pid));
    CHECK(lives(grandchild));
  }
  CHECK_FALSE(lives(pid));
  CHECK(no_children_left());
}

TEST_CASE("a child gets no descriptor but its three streams, also when ours are closed") {
  const int leaked = ::open("/dev/null", O_RDONLY);  // not close-on-exec, as some library might leave it
  REQUIRE(leaked < 100);
  // By what is built into the shell: a pipeline would make it open descriptors of its own.
  ChildProcess child =
      shell("i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; i=$((i+1)); done");
  CHECK(read_all(child) == "0 1 2 ");
  ::close(leaked);

  const int saved_in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
  ::close(STDIN_FILENO);
  ChildProcess other = shell("cat; echo end");
  REQUIRE(::write(other.stdin_fd(), "abc\n", 4) == 4);
  other.close_stdin();
  CHECK(read_all(other) == "abc\nend\n");
  if (saved_in >= 0) ::dup2(saved_in, STDIN_FILENO);
  ::close(saved_in);
}

TEST_CASE("a child outlives the thread that started it") {
  std::optional<ChildProcess> child;
  std::thread([&] { child = shell("sleep 0.2; echo done"); }).join();
  CHECK(read_all(*child) == "done\n");
}

TEST_CASE("a child dies when its parent is killed") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);  // so that the orphan is ours to see
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto child = ChildProcess::start({"sleep", "1000"});
    const pid_t pid = child.ok() ? child->pid() : -1;
    if (::write(ends[1], &pid, sizeof pid) != sizeof pid) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  pid_t orphan = -1;
  REQUIRE(::read(ends[0], &orphan, sizeof orphan) == sizeof orphan);
  REQUIRE(orphan > 0);
  REQUIRE(::waitpid(parent, nullptr, 0) == parent);
  int status = 0;
  REQUIRE(::waitpid(orphan, &status, 0) == orphan);
  CHECK(WTERMSIG(status) == SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("one that is to be asked gets the end of its input, then SIGTERM, and only then SIGKILL") {
  const auto asked = [](const std::string& script) {
    auto child = ChildProcess::start({"sh", "-c", script}, Ending::kAsk);
    REQUIRE(child.ok());
    char ready = 0;
    while (::read(child->stdout_fd(), &ready, 1) != 1) std::this_thread::sleep_for(milliseconds(1));
    return std::move(child).value();
  };
  ChildProcess reads = asked("echo; cat; exit 4");
  CHECK(reads.kill()->exit_code == 4);
  ChildProcess deaf = asked("trap 'exit 5' TERM; echo; while :; do sleep 0.05; done");
  CHECK(deaf.kill()->exit_code == 5);
  CHECK(no_children_left());
}
