#include "search/workspace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/files.h"

namespace amk::search {
namespace {

constexpr uint64_t kCorpusBytesMax = uint64_t{4} << 30;
constexpr uint64_t kLockBytesMax = 4096;

Error system_error(const std::filesystem::path& path, const char* what) {
  return {ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno)), path.string(), ""};
}

Status write_whole(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path, "cannot write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

struct Descriptor {
  explicit Descriptor(int given) : fd(given) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown host";
}

}  // namespace

std::filesystem::path workspace_directory(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* home = std::getenv("AMK_HOME"); home != nullptr && *home != '\0') return home;
  return ".amk";
}

struct Workspace::Lock : Descriptor {
  using Descriptor::Descriptor;
};

Workspace::Workspace(std::filesystem::path directory, std::unique_ptr<Lock> lock)
    : directory_(std::move(directory)), lock_(std::move(lock)) {}
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
Workspace::~Workspace() = default;

Result<Workspace> Workspace::open(const std::filesystem::path& directory, std::vector<std::string>& recovered) {
  std::error_code problem;
  std::filesystem::create_directories(directory, problem);
  const std::filesystem::path path = directory / "lock";
  auto lock = std::make_unique<Lock>(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (lock->fd < 0) return system_error(path, "cannot open the workspace's lock");
  if (::flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(path, "cannot lock the workspace");
    const Result<std::string> holder = read_file(path, kLockBytesMax);
    return Error{ErrorCode::kIo,
                 fmt::format("expected a workspace that nobody else writes, found it held by {}",
                             holder.ok() && !holder->empty() ? *holder : "another process"),
                 directory.string(), "wait for it, end it, or name another with --workspace"};
  }
  if (::ftruncate(lock->fd, 0) != 0) return system_error(path, "cannot write the workspace's lock");
  AMK_TRY(write_whole(lock->fd, fmt::format("process {} on {}", ::getpid(), host_name()), path));
  Workspace out(directory, std::move(lock));
  AMK_TRY(out.mend_corpus(recovered));
  return out;
}

Status Workspace::mend_corpus(std::vector<std::string>& recovered) {
  std::error_code problem;
  if (!std::filesystem::exists(corpus(), problem)) return {};
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(corpus(), kCorpusBytesMax));
  if (text.empty() || text.back() == '\n') return {};
  const size_t end = text.rfind('\n');
  std::filesystem::resize_file(corpus(), end == std::string::npos ? 0 : end + 1, problem);
  if (problem) return Error{ErrorCode::kIo, "cannot cut off a torn line: " + problem.message(), corpus().string(), ""};
  recovered.push_back("cut off a line of corpus.jsonl that was being written when the process was killed");
  return {};
}

Status Workspace::append_to_corpus(std::string_view line) { return append_line(corpus(), line); }

Status append_line(const std::filesystem::path& path, std::string_view line) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.fd < 0) return system_error(path, "cannot open the file");
  const off_t before = ::lseek(file.fd, 0, SEEK_END);
  char last = '\n';
  // A process that was killed as it wrote left half a line, which must not be joined to this one.
  const bool torn = before > 0 && ::pread(file.fd, &last, 1, before - 1) == 1 && last != '\n';
  if (Status written = write_whole(file.fd, (torn ? "\n" : "") + std::string(line) + "\n", path); !written) {
    if (before < 0 || ::ftruncate(file.fd, before) != 0) return system_error(path, "cannot cut off half a line");
    return written;
  }
  if (::fsync(file.fd) != 0) return system_error(path, "cannot flush the file");
  return {};
}

}  // namespace amk::search
