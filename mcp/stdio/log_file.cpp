#include "mcp/stdio/log_file.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace amk::mcp {
namespace {

constexpr size_t kTextBytesMax = 4096;

/// Whatever the text, one line that a terminal shows as it is.
std::string as_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error{ErrorCode::kIo, fmt::format("cannot write the log: {}", std::strerror(errno)), path,
                 "--log-file takes a file in a folder that exists"};
  }
  auto out = std::make_unique<LogFile>();
  out->fd_ = fd;
  struct stat info {};
  // A file that was there may be open to others; what is no file of ours, as /dev/null, stays as it is.
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && ::fchmod(fd, 0600) != 0) {
    return Error{ErrorCode::kIo, fmt::format("cannot keep the log to its owner: {}", std::strerror(errno)), path,
                 "--log-file takes a file that is yours"};
  }
  return out;
}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

void LogFile::write(std::string_view direction, std::string_view text) {
  if (fd_ < 0) return;
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::string more = text.size() > kTextBytesMax ? fmt::format(" ... {} bytes in all", text.size()) : "";
  const std::string line =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}Z {} {}{}\n", now, direction, as_line(text.substr(0, kTextBytesMax)), more);
  // One call, so that lines of threads and of other servers do not mix. A log that cannot be written stops nobody.
  [[maybe_unused]] const ssize_t put = ::write(fd_, line.data(), line.size());
}

}  // namespace amk::mcp
