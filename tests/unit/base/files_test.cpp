#include "base/files.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "support/temp_directory.h"

using namespace amk;
namespace fs = std::filesystem;

namespace {
std::atomic<int> g_umask_calls = 0;
}

/// Stands before the C library's in this program. Between two calls of it, files of other threads have no mask.
extern "C" mode_t umask(mode_t mask) noexcept {
  ++g_umask_calls;
  return static_cast<mode_t>(::syscall(SYS_umask, mask));
}

namespace {

size_t entries(const fs::path& directory) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

ErrorCode code_of(const fs::path& path, uint64_t limit = 100) {
  const auto read = read_file(path, limit);
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().location == path.string());
  return read.error().code;
}

}  // namespace

TEST_CASE("a file is read whole up to its limit, and refused a byte above it") {
  const test::TempDirectory directory;
  const fs::path path = directory.path() / "file";
  const std::string content("a\0b\n\xff", 5);
  test::spill(path, content);
  CHECK(read_file(path, 5).value() == content);
  CHECK(read_file(path, UINT64_MAX).value() == content);
  CHECK(code_of(path, 4) == ErrorCode::kBadInput);
  CHECK(read_file(path, 4).error().message == "expected at most 4 bytes, found 5");
  test::spill(path, "");
  CHECK(read_file(path, 0).value().empty());
}

TEST_CASE("what is no regular file is refused without waiting for it") {
  const test::TempDirectory directory;
  const fs::path pipe = directory.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(code_of(pipe) == ErrorCode::kBadInput);
  CHECK(code_of(directory.path()) == ErrorCode::kBadInput);
  CHECK(code_of("/dev/zero") == ErrorCode::kBadInput);
  CHECK(code_of(directory.path() / "absent") == ErrorCode::kIo);
  CHECK(code_of(pipe / "below a file") == ErrorCode::kIo);
  CHECK(MappedFile::open(pipe).error().code == ErrorCode::kBadInput);
  CHECK(MappedFile::open(directory.path()).error().code == ErrorCode::kBadInput);
  CHECK(MappedFile::open(directory.path() / "absent").error().code == ErrorCode::kIo);
}

TEST_CASE("a mapping holds the file's bytes, also after a move; an empty file maps to nothing") {
  const test::TempDirectory directory;
  test::spill(directory.path() / "file", "hello");
  test::spill(directory.path() / "empty", "");
  MappedFile first = MappedFile::open(directory.path() / "file").value();
  const MappedFile second = std::move(first);
  CHECK(std::string(reinterpret_cast<const char*>(second.bytes().data()), second.bytes().size()) == "hello");
  CHECK(first.bytes().empty());
  MappedFile target = MappedFile::open(directory.path() / "empty").value();
  CHECK(target.bytes().empty());
  target = MappedFile::open(directory.path() / "file").value();
  CHECK(target.bytes().size() == 5);
}

TEST_CASE("an atomic write makes the file or replaces it, leaves no temporary, and follows the umask") {
  const test::TempDirectory directory;
  const fs::path path = directory.path() / "file";
  const mode_t mask = ::umask(027);
  REQUIRE(write_file_atomic(path, "first").ok());
  ::umask(mask);
  CHECK(test::slurp(path) == "first");
  CHECK(fs::status(path).permissions() == fs::perms{0640});
  const std::string large(3 << 20, 'x');
  REQUIRE(write_file_atomic(path, large).ok());
  CHECK(test::slurp(path) == large);
  REQUIRE(write_file_atomic(path, "").ok());
  CHECK(test::slurp(path).empty());
  CHECK(entries(directory.path()) == 1);
}

TEST_CASE("an atomic write leaves the umask alone, which belongs to every thread") {
  const test::TempDirectory directory;
  const int before = g_umask_calls;
  REQUIRE(write_file_atomic(directory.path() / "file", "x").ok());
  CHECK(g_umask_calls == before);
}

TEST_CASE("an atomic write that cannot be done changes nothing and leaves nothing") {
  const test::TempDirectory directory;
  const fs::path occupied = directory.path() / "occupied";
  fs::create_directory(occupied);
  test::spill(occupied / "inside", "kept");
  const fs::path file = directory.path() / "file";
  test::spill(file, "old");
  for (const fs::path& path : {occupied, directory.path() / "absent" / "file", file / "below", fs::path("/proc/amk")}) {
    CAPTURE(path.string());
    const Status written = write_file_atomic(path, "new");
    REQUIRE_FALSE(written.ok());
    CHECK(written.error().code == ErrorCode::kIo);
    CHECK(written.error().location == path.string());
  }
  CHECK(test::slurp(occupied / "inside") == "kept");
  CHECK(test::slurp(file) == "old");
  CHECK(entries(directory.path()) == 2);
}

TEST_CASE("a directory takes another's place, or an empty one, and is then nowhere else") {
  const test::TempDirectory directory;
  const fs::path from = directory.path() / "new";
  const fs::path to = directory.path() / "place";
  const auto make = [&](const std::string& content) {
    fs::create_directory(from);
    test::spill(from / "file", content);
  };
  make("first");
  REQUIRE(replace_directory(from, to).ok());
  CHECK(test::slurp(to / "file") == "first");
  test::spill(to / "left over", "");
  make("second");
  REQUIRE(replace_directory(from, to).ok());
  CHECK(test::slurp(to / "file") == "second");
  CHECK(entries(to) == 1);
  CHECK(entries(directory.path()) == 1);
  CHECK_FALSE(replace_directory(from, to).ok());
  CHECK(test::slurp(to / "file") == "second");
}
