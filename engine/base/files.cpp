#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace amk {
namespace {

Error io_error(const std::filesystem::path& path, std::string_view what) {
  return {ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno)), path.string(), ""};
}

/// Closes on scope exit; -1 means none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// The size of an open regular file. Anything else (a directory, a pipe) is refused, so that no read can block.
Result<uint64_t> regular_size(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return io_error(path, "cannot stat");
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kBadInput, "expected a regular file", path.string(), ""};
  return static_cast<uint64_t>(info.st_size);
}

Status write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error(path, "cannot write");
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

/// A new file beside `path`, and its name. As shareable as any file the user makes: open() applies the umask, which
/// belongs to every thread and is not ours to ask for, since asking sets it.
int open_temporary(const std::filesystem::path& path, std::string& name) {
  constexpr int kAttempts = 100;
  int fd = -1;
  for (int attempt = 0; fd < 0 && attempt < kAttempts; ++attempt) {
    uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) return -1;
    name = fmt::format("{}.tmp.{:016x}", path.string(), random);
    fd = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) return -1;
  }
  return fd;
}

Status sync_directory(const std::filesystem::path& directory) {
  const FileDescriptor fd(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || ::fsync(fd.get()) != 0) return io_error(directory, "cannot sync");
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, uint64_t limit_bytes) {
  // O_NONBLOCK: opening a FIFO must not hang before regular_size() refuses it.
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return io_error(path, "cannot open");
  AMK_ASSIGN_OR_RETURN(const uint64_t size, regular_size(fd.get(), path));
  if (size > limit_bytes) {
    return Error{ErrorCode::kBadInput, fmt::format("expected at most {} bytes, found {}", limit_bytes, size),
                 path.string(), ""};
  }
  std::string content(size, '\0');
  size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got = ::read(fd.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, "cannot read");
    if (got == 0) break;  // shrank while it was read: what is there is returned, and its parser will judge it
    filled += static_cast<size_t>(got);
  }
  content.resize(filled);
  return content;
}

Status write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  std::string temporary;
  const FileDescriptor fd(open_temporary(path, temporary));
  if (!fd.ok()) return io_error(path, "cannot create a temporary beside it");
  const auto fail = [&](Error error) {
    ::unlink(temporary.c_str());
    return error;
  };
  if (Status status = write_all(fd.get(), content, path); !status) return fail(status.error());
  if (::fsync(fd.get()) != 0) return fail(io_error(path, "cannot sync"));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(io_error(path, "cannot rename into place"));
  return sync_directory(path.parent_path());
}

Status replace_directory(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::filesystem::exists(to)) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
      return io_error(to, "cannot exchange directories");
    }
    std::error_code ignored;  // the old content, now under the temporary name, is no longer anyone's
    std::filesystem::remove_all(from, ignored);
  } else if (::rename(from.c_str(), to.c_str()) != 0) {
    return io_error(to, "cannot rename into place");
  }
  return sync_directory(to.parent_path());
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.ok()) return io_error(path, "cannot open");
  AMK_ASSIGN_OR_RETURN(const uint64_t size, regular_size(fd.get(), path));
  MappedFile file;
  if (size == 0) return file;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return io_error(path, "cannot map");
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = size;
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace amk
