// killed_writer WORKSPACE TRIALS KILL_AT: brings the campaign "night" to TRIALS trials, going on from what is there,
// and kills itself with SIGKILL at its KILL_AT-th call that changes a file (0: never), counted from 1. A write that it
// is killed at has written half. Prints the number of trials that are safe, after each.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "search/history.h"
#include "support/trials.h"

namespace {

long calls = 0;
long kill_at = 0;

void die() {
  ::kill(::getpid(), SIGKILL);
  while (true) ::pause();
}

bool is_last() { return ++calls == kill_at; }

void count() {
  if (is_last()) die();
}

}  // namespace

extern "C" {

ssize_t __real_write(int fd, const void* data, size_t size);
ssize_t __real_pwrite(int fd, const void* data, size_t size, off_t offset);
int __real_open(const char* path, int flags, ...);
int __real_rename(const char* from, const char* to);
int __real_link(const char* from, const char* to);
int __real_unlink(const char* path);
int __real_mkdir(const char* path, mode_t mode);
int __real_rmdir(const char* path);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_chmod(const char* path, mode_t mode);

ssize_t __wrap_write(int fd, const void* data, size_t size) {
  if (fd == STDOUT_FILENO) return __real_write(fd, data, size);
  if (is_last()) {
    if (__real_write(fd, data, size / 2) >= 0) die();
    die();
  }
  return __real_write(fd, data, size);
}
ssize_t __wrap_pwrite(int fd, const void* data, size_t size, off_t offset) {
  count();
  return __real_pwrite(fd, data, size, offset);
}
int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
    count();
  }
  return __real_open(path, flags, mode);
}
int __wrap_rename(const char* from, const char* to) {
  count();
  return __real_rename(from, to);
}
int __wrap_link(const char* from, const char* to) {
  count();
  return __real_link(from, to);
}
int __wrap_unlink(const char* path) {
  count();
  return __real_unlink(path);
}
int __wrap_mkdir(const char* path, mode_t mode) {
  count();
  return __real_mkdir(path, mode);
}
int __wrap_rmdir(const char* path) {
  count();
  return __real_rmdir(path);
}
int __wrap_fsync(int fd) {
  count();
  return __real_fsync(fd);
}
int __wrap_ftruncate(int fd, off_t size) {
  count();
  return __real_ftruncate(fd, size);
}
int __wrap_chmod(const char* path, mode_t mode) {
  count();
  return __real_chmod(path, mode);
}

}  // extern "C"

namespace {

using namespace amk;

Result<search::Campaign> resume(search::History& history) {
  AMK_ASSIGN_OR_RETURN(std::optional<search::Campaign> found, history.read("night"));
  if (found) return std::move(*found);
  return history.begin("night", test::a_header(), test::a_start());
}

Status write_campaign(const char* directory, uint32_t trials) {
  std::vector<std::string> recovered;
  AMK_ASSIGN_OR_RETURN(search::Workspace workspace, search::Workspace::open(directory, recovered));
  AMK_ASSIGN_OR_RETURN(search::History history, search::History::open(workspace, recovered));
  AMK_ASSIGN_OR_RETURN(search::Campaign campaign, resume(history));
  while (campaign.trials.size() < trials) {
    const auto number = static_cast<uint32_t>(campaign.trials.size() + 1);
    AMK_TRY(history.append(campaign, test::a_trial(number)));
    std::printf("%u\n", number);
    std::fflush(stdout);
    AMK_TRY(workspace.append_to_corpus("{\"trial\":" + std::to_string(number) + "}"));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  kill_at = std::atol(argv[3]);
  const Status written = write_campaign(argv[1], static_cast<uint32_t>(std::atol(argv[2])));
  if (!written.ok()) std::fprintf(stderr, "killed_writer: %s\n", written.error().text().c_str());
  return written.ok() ? 0 : 1;
}
