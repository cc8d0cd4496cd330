#include "mcp/stdio/channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace amk::mcp {
namespace {

constexpr size_t kReadBytes = 64U << 10U;

Error refused(const char* what) {
  return {ErrorCode::kIo, fmt::format("cannot {}: {}", what, std::strerror(errno)), "standard streams", ""};
}

}  // namespace

Result<Bell> Bell::make() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return refused("make a pipe");
  return Bell(ends[0], ends[1]);
}

Bell::Bell(Bell&& other) noexcept : read_(std::exchange(other.read_, -1)), write_(std::exchange(other.write_, -1)) {}

Bell::~Bell() {
  if (read_ >= 0) ::close(read_);
  if (write_ >= 0) ::close(write_);
}

void Bell::ring() const {
  const int saved = errno;
  [[maybe_unused]] const ssize_t rung = ::write(write_, "!", 1);  // a full pipe is rung already
  errno = saved;
}

Status require_standard_streams() {
  if (::fcntl(STDIN_FILENO, F_GETFD) < 0) return refused("read standard input");
  if (::fcntl(STDOUT_FILENO, F_GETFD) < 0) return refused("write to standard output");
  if (::fcntl(STDERR_FILENO, F_GETFD) >= 0) return {};
  if (::open("/dev/null", O_WRONLY) == STDERR_FILENO) return {};
  return refused("replace standard error");
}

Result<StdioChannel> StdioChannel::claim(const Bell& stop) {
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (in < 0) return refused("read standard input");
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (out < 0) {
    ::close(in);
    return refused("write to standard output");
  }
  StdioChannel channel(in, out, stop);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) return refused("empty standard input");
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return refused("send what others print to standard error");
  ::close(nothing);
  return channel;
}

StdioChannel::StdioChannel(StdioChannel&& other) noexcept
    : in_(std::exchange(other.in_, -1)), out_(std::exchange(other.out_, -1)), stop_(other.stop_) {}

StdioChannel::~StdioChannel() {
  if (in_ >= 0) ::close(in_);
  if (out_ >= 0) ::close(out_);
}

StdioChannel::Read StdioChannel::read(std::string& bytes) {
  while (true) {
    // Nothing is asked of `out_`: that nobody reads it any more is reported all the same.
    std::array<pollfd, 3> wanted = {pollfd{in_, POLLIN, 0}, pollfd{stop_->fd(), POLLIN, 0}, pollfd{out_, 0, 0}};
    if (::poll(wanted.data(), wanted.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return Read::kEnd;
    }
    if (wanted[1].revents != 0 || (wanted[2].revents & (POLLERR | POLLNVAL)) != 0) return Read::kStopped;
    if (wanted[0].revents == 0) continue;
    bytes.resize(kReadBytes);
    const ssize_t got = ::read(in_, bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return got > 0 ? Read::kBytes : Read::kEnd;
  }
}

void StdioChannel::write_line(std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  const std::lock_guard lock(write_mutex_);
  std::string_view rest = whole;
  while (!broken_ && !rest.empty()) {
    if (!write_some(rest)) broken_ = true;
  }
  if (broken_) stop_->ring();
}

/// Our end of a pipe may be shared, and so stays blocking; a write of PIPE_BUF bytes to a pipe that has room for them
/// does not block.
bool StdioChannel::write_some(std::string_view& rest) const {
  std::array<pollfd, 2> wanted = {pollfd{out_, POLLOUT, 0}, pollfd{stop_->fd(), POLLIN, 0}};
  if (::poll(wanted.data(), wanted.size(), -1) < 0) return errno == EINTR;
  if ((wanted[0].revents & POLLOUT) == 0) return false;  // the bell, or nobody reads
  const ssize_t put = ::write(out_, rest.data(), std::min<size_t>(rest.size(), PIPE_BUF));
  if (put < 0) return errno == EINTR || errno == EAGAIN;
  rest.remove_prefix(static_cast<size_t>(put));
  return true;
}

}  // namespace amk::mcp
