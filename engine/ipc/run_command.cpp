#include "ipc/run_command.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "ipc/child_process.h"

namespace amk::ipc {
namespace {

/// No SIGPIPE in this thread while it lives: a program may end without having read its input.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{};
    while (::sigtimedwait(&pipe_, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<long>(left + 1, 0, 60'000));
}

/// Writes what the pipe takes; closes it at the end, and where nobody reads any more.
void feed(ChildProcess& child, std::string_view& input) {
  const ssize_t written = ::write(child.stdin_fd(), input.data(), input.size());
  if (written > 0) input.remove_prefix(static_cast<size_t>(written));
  const bool gone = written < 0 && errno != EAGAIN && errno != EINTR;
  if (gone || input.empty()) child.close_stdin();
}

/// False at the end of the output.
bool collect(int fd, std::string& output) {
  std::array<char, 65536> buffer;
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  if (got > 0) output.append(buffer.data(), static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

Error refuse(const std::string& program, std::string message, ChildProcess& child) {
  child.kill();
  return {ErrorCode::kBadInput, std::move(message), program, child.stderr_tail()};
}

}  // namespace

Result<std::string> run_command(const std::vector<std::string>& arguments, std::string_view input,
                                const CommandLimits& limits) {
  const NoSigpipe guard;
  const Clock::time_point deadline = Clock::now() + limits.time;
  AMK_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::start(arguments));
  const std::string& program = arguments.back();
  if (input.empty()) child.close_stdin();
  std::string output;
  const auto too_long = fmt::format("expected an answer within {} ms, found none", limits.time.count());
  for (bool open = true; open;) {
    std::array<pollfd, 2> wanted = {pollfd{child.stdout_fd(), POLLIN, 0}, pollfd{child.stdin_fd(), POLLOUT, 0}};
    if (::poll(wanted.data(), wanted.size(), milliseconds_until(deadline)) < 0 && errno != EINTR)
      return refuse(program, "cannot wait for its answer", child);
    if (wanted[1].revents != 0) feed(child, input);
    if (wanted[0].revents != 0) open = collect(child.stdout_fd(), output);
    if (output.size() > limits.output_bytes)
      return refuse(program, fmt::format("expected at most {} bytes of answer, found more", limits.output_bytes),
                    child);
    if (open && Clock::now() >= deadline) return refuse(program, too_long, child);
  }
  const std::optional<ExitStatus> ended = child.wait(deadline);
  if (!ended) return refuse(program, too_long, child);
  if (ended->signal == 0 && ended->exit_code == 0) return output;
  return refuse(program, fmt::format("expected it to end with exit code 0, found {}", ended->text()), child);
}

}  // namespace amk::ipc
