#include "cli/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace amk::test {
namespace {

constexpr std::chrono::seconds kDeadline{60};

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

/// In the child, between fork and exec.
void redirect(int stream, const char* path, int flags) {
  const int file = open(path, flags, 0600);
  if (file < 0 || dup2(file, stream) < 0) _exit(126);
  close(file);
}

void redirect_stdout(const Streams& streams, const char* captured) {
  if (streams.stdout_closed) {
    close(STDOUT_FILENO);
  } else if (streams.stdout_is_broken_pipe) {
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) _exit(126);
    close(ends[0]);
    close(ends[1]);
  } else {
    redirect(STDOUT_FILENO, captured, O_WRONLY | O_CREAT | O_TRUNC);
  }
}

int wait_for(pid_t child) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  int status = 0;
  while (true) {
    const pid_t done = waitpid(child, &status, WNOHANG);
    if (done == child) return status;
    if (done < 0 && errno != EINTR) fail("waitpid failed");
    if (std::chrono::steady_clock::now() > deadline) kill(child, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace

Outcome run_amk(const std::vector<std::string>& arguments, const Streams& streams) {
  const Scratch scratch;
  const std::string input = scratch.write("in", streams.input);
  const std::string out = streams.stdout_path.empty() ? scratch / "out" : streams.stdout_path.string();
  const std::string err = scratch / "err";
  std::vector<char*> argv = {const_cast<char*>(AMK_PROGRAM)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child < 0) fail("fork failed");
  if (child == 0) {
    redirect(STDIN_FILENO, input.c_str(), O_RDONLY);
    redirect(STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC);
    redirect_stdout(streams, out.c_str());
    execv(AMK_PROGRAM, argv.data());
    _exit(127);
  }
  const int status = wait_for(child);
  Outcome outcome;
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  const bool captured = streams.stdout_path.empty() && !streams.stdout_closed && !streams.stdout_is_broken_pipe;
  if (captured) outcome.out = read_text(out);
  outcome.err = read_text(err);
  return outcome;
}

nlohmann::ordered_json run_json(std::vector<std::string> arguments, int expected_exit) {
  arguments.emplace_back("--json");
  const Outcome outcome = run_amk(arguments);
  if (outcome.exit_code != expected_exit) {
    fail("expected exit code " + std::to_string(expected_exit) + ", found " + std::to_string(outcome.exit_code) + ": " +
         outcome.err);
  }
  return nlohmann::ordered_json::parse(outcome.out);
}

std::set<std::string> keys_of(const nlohmann::ordered_json& object) {
  if (!object.is_object()) fail("expected an object, found " + object.dump());
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

Scratch::Scratch() {
  std::string path = (std::filesystem::temp_directory_path() / "amk-cli-test.XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) fail("mkdtemp failed");
  path_ = path;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Scratch::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = path_ / name;
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace amk::test
