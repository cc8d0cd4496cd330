#include "ipc/framing.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <string_view>

namespace amk::ipc {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr size_t kReadBytes = 1U << 20U;  // memory follows what arrives, not what a length claims

FrameResult broken(std::string problem) { return {FrameStatus::kBroken, {}, std::move(problem)}; }
FrameResult refused(const char* what) { return broken(fmt::format("cannot {}: {}", what, std::strerror(errno))); }

/// Waits until the descriptor can be read or written, or has hung up.
FrameStatus wait_ready(int fd, short events, const Deadline& deadline) {
  errno = EBADF;
  if (fd < 0) return FrameStatus::kBroken;  // poll() would wait for ever
  while (true) {
    int timeout_ms = -1;
    if (deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      timeout_ms = static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
    }
    pollfd wanted{fd, events, 0};
    const int ready = ::poll(&wanted, 1, timeout_ms);
    if (ready > 0) return FrameStatus::kDone;
    if (ready == 0 && Clock::now() >= *deadline) return FrameStatus::kDeadline;
    if (ready < 0 && errno != EINTR) return FrameStatus::kBroken;
  }
}

/// Appends exactly `count` bytes to `out`. kEnd: the stream ended before that.
FrameResult read_bytes(int fd, size_t count, const Deadline& deadline, std::string& out) {
  while (count > 0) {
    if (const FrameStatus status = wait_ready(fd, POLLIN, deadline); status != FrameStatus::kDone) {
      return status == FrameStatus::kBroken ? refused("wait for a frame") : FrameResult{status, {}, ""};
    }
    const size_t before = out.size();
    const size_t wanted = std::min(count, kReadBytes);
    out.resize(before + wanted);
    const ssize_t got = ::read(fd, out.data() + before, wanted);
    const int error = errno;
    out.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    errno = error;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return refused("read a frame");
    if (got == 0) return {FrameStatus::kEnd, {}, ""};
    if (got > 0) count -= static_cast<size_t>(got);
  }
  return {};
}

uint32_t length_of(std::string_view header) {
  uint32_t length = 0;
  for (size_t i = 0; i < kHeaderBytes; ++i) length |= static_cast<uint32_t>(static_cast<uint8_t>(header[i])) << 8 * i;
  return length;
}

/// Bytes for a message: what cannot be printed becomes '?'.
std::string shown(std::string_view bytes) {
  std::string out(bytes.substr(0, 40));
  for (char& c : out) c = c >= ' ' && c <= '~' ? c : '?';
  return out;
}

FrameResult parse(std::string_view body) {
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kFrameDepthMax;
    return !too_deep;  // what is too deep is dropped, so that memory does not hold it
  };
  FrameResult out;
  out.json = Json::parse(body.begin(), body.end(), watch, false);
  if (too_deep) return broken(fmt::format("expected nesting of at most {} in a frame, found more", kFrameDepthMax));
  if (out.json.is_discarded()) return broken(fmt::format("expected JSON in a frame, found '{}'", shown(body)));
  return out;
}

/// Writing to a pipe that nobody reads raises SIGPIPE, which ends a process that has not asked for it to be ignored.
/// This keeps it from being delivered to this thread, and takes away the one that a write raised.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const timespec now{0, 0};
    while (!was_pending_ && sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

FrameResult write_bytes(int fd, std::string_view bytes, const Deadline& deadline) {
  const NoSigpipe no_sigpipe;
  while (!bytes.empty()) {
    if (const FrameStatus status = wait_ready(fd, POLLOUT, deadline); status != FrameStatus::kDone) {
      return status == FrameStatus::kBroken ? refused("wait to write a frame") : FrameResult{status, {}, ""};
    }
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EPIPE) return {FrameStatus::kEnd, {}, ""};
    if (written < 0 && errno != EINTR && errno != EAGAIN) return refused("write a frame");
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace

FrameResult read_frame(int fd, const Deadline& deadline) {
  std::string header;
  FrameResult result = read_bytes(fd, kHeaderBytes, deadline, header);
  if (result.status == FrameStatus::kEnd && !header.empty()) {
    return broken(
        fmt::format("expected {} bytes of a frame's length, found the end after {}", kHeaderBytes, header.size()));
  }
  if (result.status != FrameStatus::kDone) return result;
  const uint32_t length = length_of(header);
  if (length > kFrameBytesMax) {
    return broken(fmt::format("expected a frame of at most {} bytes, found a length of {} (as text '{}')",
                              kFrameBytesMax, length, shown(header)));
  }
  std::string body;
  result = read_bytes(fd, length, deadline, body);
  if (result.status == FrameStatus::kEnd) {
    return broken(fmt::format("expected a frame of {} bytes, found the end after {}", length, body.size()));
  }
  return result.status == FrameStatus::kDone ? parse(body) : std::move(result);
}

FrameResult write_frame(int fd, const Json& json, const Deadline& deadline) {
  std::string frame(kHeaderBytes, '\0');
  frame += json.dump(-1, ' ', false, Json::error_handler_t::replace);
  frame += '\n';
  const size_t length = frame.size() - kHeaderBytes;
  if (length > kFrameBytesMax) {
    return {FrameStatus::kTooLarge,
            {},
            fmt::format("expected a frame of at most {} bytes, found one of {}", kFrameBytesMax, length)};
  }
  for (size_t i = 0; i < kHeaderBytes; ++i) frame[i] = static_cast<char>(length >> 8 * i & 0xFFU);
  return write_bytes(fd, frame, deadline);
}

}  // namespace amk::ipc
