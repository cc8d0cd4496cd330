#include "ipc/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace amk::ipc {
namespace {

/// What Ending::kAsk waits before it goes on.
constexpr std::chrono::milliseconds kStdinPatience{1000};
constexpr std::chrono::milliseconds kTermPatience{5000};

/// Closes on scope exit; -1 means none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(-1); }
  [[nodiscard]] int get() const { return fd_; }
  void reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;
};

/// Both ends close-on-exec and above the standard streams, so that the child's dup2() overwrites none of them.
Result<Pipe> make_pipe() {
  int ends[2] = {-1, -1};
  Pipe pipe;
  if (::pipe2(ends, O_CLOEXEC) == 0) {
    pipe.read.reset(ends[0]);
    pipe.write.reset(ends[1]);
    for (Fd* end : {&pipe.read, &pipe.write}) {
      if (end->get() <= STDERR_FILENO) end->reset(::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    }
  }
  if (pipe.read.get() >= 0 && pipe.write.get() >= 0) return pipe;
  return Error{ErrorCode::kIo, fmt::format("cannot make a pipe: {}", std::strerror(errno)), "", ""};
}

void do_not_block(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

struct Pipes {
  Pipe in;      ///< the child's stdin
  Pipe out;     ///< its stdout
  Pipe err;     ///< its stderr
  Pipe failed;  ///< carries errno where the program cannot be started; just closes where it can
  Pipe stop;    ///< ends the thread that reads stderr
};

/// Between fork and exec: only what is safe there. Never returns.
[[noreturn]] void become(char* const* arguments, const Pipes& pipes, pid_t parent, Ending ending) {
  ::setpgid(0, 0);
  // The signal is sent when the thread that forked ends, which lives as long as the ChildProcess.
  ::prctl(PR_SET_PDEATHSIG, ending == Ending::kAsk ? SIGTERM : SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (::dup2(pipes.in.read.get(), STDIN_FILENO) >= 0 && ::dup2(pipes.out.write.get(), STDOUT_FILENO) >= 0 &&
      ::dup2(pipes.err.write.get(), STDERR_FILENO) >= 0) {
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);  // those that others left open
    ::execvp(arguments[0], arguments);
  }
  const int error = errno;
  [[maybe_unused]] const ssize_t told = ::write(pipes.failed.write.get(), &error, sizeof error);
  ::_exit(127);
}

/// The last bytes of a stream.
class Tail {
 public:
  void append(const char* data, size_t size) {
    const std::lock_guard lock(mutex_);
    text_.append(data, size);
    if (text_.size() > ChildProcess::kStderrBytesMax) text_.erase(0, text_.size() - ChildProcess::kStderrBytesMax);
  }
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Reads what there is; false at the end of the stream.
bool drain(int fd, Tail& tail) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      tail.append(buffer.data(), static_cast<size_t>(got));
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
}

/// Until `stop` is closed at its other end; what has been written by then is read even so.
void read_stderr(int err, int stop, Tail& tail) {
  bool open = true;
  while (true) {
    std::array<pollfd, 2> wanted = {pollfd{stop, POLLIN, 0}, pollfd{open ? err : -1, POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) open = drain(err, tail);
    if (wanted[0].revents != 0) break;
  }
  if (open) drain(err, tail);
}

Error cannot_start(const std::string& program, int error) {
  return {ErrorCode::kIo, fmt::format("cannot start the program: {}", std::strerror(error)), program, ""};
}

/// Forks and waits until the program runs. The error is errno's.
std::pair<pid_t, int> spawn(char* const* arguments, Pipes& pipes, Ending ending) {
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return {-1, errno};
  if (child == 0) become(arguments, pipes, parent, ending);
  ::setpgid(child, child);  // in both, so that it is done whoever comes first
  pipes.in.read.reset(-1);
  pipes.out.write.reset(-1);
  pipes.err.write.reset(-1);
  pipes.failed.write.reset(-1);
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(pipes.failed.read.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (got == 0) return {child, 0};
  ::waitpid(child, nullptr, 0);
  return {-1, got == sizeof error ? error : EIO};
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal == 0) return fmt::format("exit code {}", exit_code);
  return fmt::format("signal {} ({})", signal, ::strsignal(signal));
}

struct ChildProcess::Impl {
  Pipes pipes;
  Tail tail;
  Ending ending = Ending::kKill;
  pid_t pid = -1;
  std::optional<ExitStatus> ended;
  std::thread reader;  ///< forks the child, then reads its stderr; the child dies with it

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { stop_reader(); }

  void stop_reader() {
    pipes.stop.write.reset(-1);
    if (reader.joinable()) reader.join();
  }

  /// Whether it has ended, and is reaped.
  bool reap() {
    // Looked at before it is reaped: until then its number is nobody else's, and neither is its group's.
    siginfo_t info{};
    int done = 0;
    while ((done = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT)) < 0 && errno == EINTR) {
    }
    if (done == 0 && info.si_pid == 0) return false;
    ended = ExitStatus{};
    (info.si_code == CLD_EXITED ? ended->exit_code : ended->signal) = info.si_status;
    ::kill(-pid, SIGKILL);  // what it left behind in its group
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    stop_reader();
    return true;
  }
};

ChildProcess::ChildProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChildProcess::ChildProcess(ChildProcess&&) noexcept = default;

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  ChildProcess old(std::move(impl_));
  impl_ = std::move(other.impl_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (impl_ == nullptr || kill().has_value()) return;
  std::thread([pid = impl_->pid] { ::waitpid(pid, nullptr, 0); }).detach();
}

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& arguments, Ending ending) {
  AMK_ASSERT(!arguments.empty(), "a program to start");
  auto impl = std::make_unique<Impl>();
  impl->ending = ending;
  Pipes& pipes = impl->pipes;
  for (Pipe* pipe : {&pipes.in, &pipes.out, &pipes.err, &pipes.failed, &pipes.stop}) {
    AMK_ASSIGN_OR_RETURN(*pipe, make_pipe());
  }
  do_not_block(pipes.in.write.get());
  do_not_block(pipes.out.read.get());
  do_not_block(pipes.err.read.get());
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::promise<std::pair<pid_t, int>> promise;
  std::future<std::pair<pid_t, int>> started = promise.get_future();
  impl->reader = std::thread([promise = std::move(promise), &argv, self = impl.get()]() mutable {
    const std::pair<pid_t, int> child = spawn(argv.data(), self->pipes, self->ending);
    promise.set_value(child);  // from here on, `argv` may be gone
    if (child.first > 0) read_stderr(self->pipes.err.read.get(), self->pipes.stop.read.get(), self->tail);
  });
  const auto [pid, error] = started.get();
  if (pid < 0) {
    impl->reader.join();
    return cannot_start(arguments.front(), error);
  }
  impl->pid = pid;
  return ChildProcess(std::move(impl));
}

pid_t ChildProcess::pid() const { return impl_->pid; }
int ChildProcess::stdin_fd() const { return impl_->pipes.in.write.get(); }
int ChildProcess::stdout_fd() const { return impl_->pipes.out.read.get(); }
void ChildProcess::close_stdin() { impl_->pipes.in.write.reset(-1); }
std::string ChildProcess::stderr_tail() const { return impl_->tail.text(); }

std::optional<ExitStatus> ChildProcess::wait(const Deadline& deadline) {
  auto pause = std::chrono::microseconds(100);
  while (!impl_->ended && !impl_->reap()) {
    const auto now = Clock::now();
    if (deadline && now >= *deadline) return std::nullopt;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(10'000));
  }
  return impl_->ended;
}

std::optional<ExitStatus> ChildProcess::kill(std::chrono::milliseconds patience) {
  if (!impl_->ended && impl_->ending == Ending::kAsk) {
    close_stdin();
    if (!wait(Clock::now() + kStdinPatience)) {
      // To it alone: what it started it is to end by itself.
      ::kill(impl_->pid, SIGTERM);
      wait(Clock::now() + kTermPatience);
    }
  }
  if (!impl_->ended) {
    ::kill(impl_->pid, SIGKILL);
    ::kill(-impl_->pid, SIGKILL);
  }
  return wait(Clock::now() + patience);
}

}  // namespace amk::ipc
