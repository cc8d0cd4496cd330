#include "mcp/runs/queued.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "mcp/runs/run_process.h"

namespace amk::mcp {
namespace {

Error refused(const std::string& path) {
  return {ErrorCode::kIo, std::string("expected to use it, found: ") + std::strerror(errno), path, ""};
}

/// Asked for after the process has said who it is, so that a cancel that did not find it is found by it.
bool is_cancelled(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / "cancelled", ignored);
}

Error cancelled(const std::filesystem::path& folder) {
  return {ErrorCode::kIo, "cancelled while it waited in the queue", folder.string(), ""};
}

}  // namespace

Error run_queued(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) {
    return {ErrorCode::kUsage, "expected a lock, a marker and a program", kQueuedArgument,
            "this is for amk-mcp itself"};
  }
  // By the process itself: whoever started it may have been killed before it could.
  const std::filesystem::path folder = std::filesystem::path(arguments[1]).parent_path();
  if (const Status written = write_process(folder, ::getpid()); !written) return written.error();
  if (is_cancelled(folder)) return cancelled(folder);
  // Not close-on-exec: the program keeps the lock.
  const int lock = ::open(arguments[0].c_str(), O_RDWR | O_CREAT, 0600);
  if (lock < 0) return refused(arguments[0]);
  while (::flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return refused(arguments[0]);
  }
  if (is_cancelled(folder)) return cancelled(folder);
  const int marker = ::open(arguments[1].c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (marker < 0) return refused(arguments[1]);
  std::vector<char*> argv;
  for (size_t i = 2; i < arguments.size(); ++i) argv.push_back(const_cast<char*>(arguments[i].c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return refused(argv[0]);
}

}  // namespace amk::mcp
