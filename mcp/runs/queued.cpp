#include "mcp/runs/queued.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace amk::mcp {
namespace {

Error refused(const std::string& path) {
  return {ErrorCode::kIo, std::string("expected to use it, found: ") + std::strerror(errno), path, ""};
}

}  // namespace

Error run_queued(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) {
    return {ErrorCode::kUsage, "expected a lock, a marker and a program", kQueuedArgument,
            "this is for amk-mcp itself"};
  }
  // Not close-on-exec: the program keeps the lock.
  const int lock = ::open(arguments[0].c_str(), O_RDWR | O_CREAT, 0600);
  if (lock < 0) return refused(arguments[0]);
  while (::flock(lock, LOCK_EX) != 0) {
    if (errno != EINTR) return refused(arguments[0]);
  }
  const int marker = ::open(arguments[1].c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (marker < 0) return refused(arguments[1]);
  std::vector<char*> argv;
  for (size_t i = 2; i < arguments.size(); ++i) argv.push_back(const_cast<char*>(arguments[i].c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return refused(argv[0]);
}

}  // namespace amk::mcp
