#include "vm/cuda/kernel_cache.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <span>
#include <string>

#include "support/environment.h"
#include "support/temp_directory.h"

using namespace amk;
using namespace amk::vm::cuda;
namespace fs = std::filesystem;

namespace {

CompiledKernel kernel_of(const std::string& bytes, std::string log = "a log\nof two lines\n") {
  const auto data = std::as_bytes(std::span(bytes));
  return {{data.begin(), data.end()}, std::move(log)};
}

const std::string kKey(64, 'a');

std::string key_of(char letter) { return std::string(64, letter); }

fs::path entry_of(const fs::path& directory, const std::string& key) { return directory / (key + ".kernel"); }

/// As if the file was last used so long ago.
void age(const fs::path& path, std::chrono::seconds by) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - by);
}

/// The letters of the keys that have an entry.
std::string letters_in(const fs::path& directory) {
  std::string out;
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    if (fs::exists(entry_of(directory, key_of(letter)))) out += letter;
  }
  return out;
}

/// Entries a, b, c, ..., each last used a minute after the one before.
void fill(const fs::path& directory, size_t count, size_t bytes) {
  for (size_t i = 0; i < count; ++i) {
    const std::string key = key_of(static_cast<char>('a' + i));
    REQUIRE(write_cached_kernel(directory, key, kernel_of(std::string(bytes, 'k'), "")).ok());
    age(entry_of(directory, key), std::chrono::minutes(count - i));
  }
}

fs::path only_entry(const fs::path& directory) {
  REQUIRE(std::distance(fs::directory_iterator(directory), fs::directory_iterator()) == 1);
  return fs::directory_iterator(directory)->path();
}

}  // namespace

TEST_CASE("what is written is read back, in a directory that was not there") {
  const test::TempDirectory temp;
  const fs::path directory = temp.path() / "a/b";
  const CompiledKernel kernel = kernel_of(std::string("\x7f\0ELF\n\n", 7));
  CHECK_FALSE(read_cached_kernel(directory, kKey).has_value());
  REQUIRE(write_cached_kernel(directory, kKey, kernel).ok());
  const auto read = read_cached_kernel(directory, kKey);
  REQUIRE(read.has_value());
  CHECK((read->cubin == kernel.cubin));
  CHECK(read->log == kernel.log);
  CHECK_FALSE(read_cached_kernel(directory, std::string(64, 'b')).has_value());
}

TEST_CASE("an entry with any byte changed or cut off, or under another's name, is no entry") {
  const test::TempDirectory temp;
  REQUIRE(write_cached_kernel(temp.path(), kKey, kernel_of("0123456789", "log")).ok());
  const fs::path entry = only_entry(temp.path());
  const std::string whole = test::slurp(entry);
  for (size_t i = 0; i < whole.size(); ++i) {
    CAPTURE(i);
    test::spill(entry, whole.substr(0, i));
    CHECK_FALSE(read_cached_kernel(temp.path(), kKey).has_value());
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    test::spill(entry, changed);
    CHECK_FALSE(read_cached_kernel(temp.path(), kKey).has_value());
  }
  test::spill(entry, whole + "x");
  CHECK_FALSE(read_cached_kernel(temp.path(), kKey).has_value());
  test::spill(entry, whole);
  CHECK(read_cached_kernel(temp.path(), kKey).has_value());
  const std::string other(64, 'b');
  fs::rename(entry, temp.path() / (other + entry.extension().string()));
  CHECK_FALSE(read_cached_kernel(temp.path(), other).has_value());
}

TEST_CASE("a directory that cannot be made is an error to the writer and a miss to the reader") {
  const test::TempDirectory temp;
  test::spill(temp.path() / "file", "");
  for (const fs::path& directory : {temp.path() / "file/below", fs::path("/proc/no/such"), fs::path()}) {
    CAPTURE(directory.string());
    const Status status = write_cached_kernel(directory, kKey, kernel_of("x"));
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::kIo);
    CHECK_FALSE(read_cached_kernel(directory, kKey).has_value());
  }
}

TEST_CASE("the key depends on all that decides what is compiled, and on nothing else") {
  const CompileRequest base{"a.cu", {{"a.cu", "int a;"}, {"b.h", "int b;"}}, 90, {"X=1", "Y=2"}};
  const auto with = [&](auto change) {
    CompileRequest request = base;
    change(request);
    return kernel_key(request, "13.0");
  };
  std::set<std::string> keys = {
      kernel_key(base, "13.0"),
      kernel_key(base, "12.9"),
      with([](CompileRequest& r) { r.sm = 80; }),
      with([](CompileRequest& r) { r.main = "b.h"; }),
      with([](CompileRequest& r) { r.defines = {"X=1"}; }),
      with([](CompileRequest& r) { r.defines = {"X=1Y=2"}; }),
      with([](CompileRequest& r) {
        r.defines = {"Y=2", "X=1"};
      }),
      with([](CompileRequest& r) { r.files[0].text = "int  a;"; }),
      with([](CompileRequest& r) { r.files[1].text = ""; }),
      with([](CompileRequest& r) { r.files[1].name = "c.h"; }),
      with([](CompileRequest& r) {
        r.files.push_back({"c.h", ""});
      }),
  };
  CHECK(keys.size() == 11);
  CHECK(kernel_key(base, "13.0").size() == 64);
  CHECK(with([](CompileRequest& r) { std::swap(r.files[0], r.files[1]); }) == kernel_key(base, "13.0"));
}

TEST_CASE("the directory is $XDG_CACHE_HOME's, else below the home directory, else none") {
  const test::Environment home("HOME", "/somewhere");
  {
    const test::Environment cache("XDG_CACHE_HOME", "/elsewhere");
    CHECK(kernel_cache_directory() == "/elsewhere/amk/kernels");
  }
  const test::Environment no_cache("XDG_CACHE_HOME", nullptr);
  CHECK(kernel_cache_directory() == "/somewhere/.cache/amk/kernels");
  const test::Environment no_home("HOME", nullptr);
  CHECK(kernel_cache_directory().empty());
}

TEST_CASE("processes that write one entry at once leave a whole one, and a reader never sees less") {
  const test::TempDirectory temp;
  const std::string big(300'000, 'k');
  REQUIRE(write_cached_kernel(temp.path(), kKey, kernel_of(big)).ok());
  pid_t children[4] = {};
  for (pid_t& child : children) {
    child = fork();
    REQUIRE(child >= 0);
    if (child != 0) continue;
    bool good = true;
    for (int i = 0; i < 20; ++i) {
      good = good && write_cached_kernel(temp.path(), kKey, kernel_of(big)).ok();
      const auto read = read_cached_kernel(temp.path(), kKey);
      good = good && read.has_value() && read->cubin.size() == big.size();
    }
    _exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  only_entry(temp.path());
}

TEST_CASE("a cache beyond its bound loses what was not used for longest, and a read counts as use") {
  const test::TempDirectory temp;
  fill(temp.path(), 6, 1000);
  prune_kernel_cache(temp.path(), {1 << 20, 6});
  CHECK(letters_in(temp.path()) == "abcdef");
  REQUIRE(read_cached_kernel(temp.path(), key_of('a')).has_value());
  CHECK_FALSE(read_cached_kernel(temp.path(), key_of('x')).has_value());
  prune_kernel_cache(temp.path(), {1 << 20, 4});
  CHECK(letters_in(temp.path()) == "adef");
  prune_kernel_cache(temp.path(), {2500, 4});  // an entry is its 1000 bytes and less than 200 more
  CHECK(letters_in(temp.path()) == "af");
  REQUIRE(write_cached_kernel(temp.path(), key_of('g'), kernel_of("new"), {1 << 20, 2}).ok());
  CHECK(letters_in(temp.path()) == "ag");
  prune_kernel_cache(temp.path(), {0, 0});
  CHECK(letters_in(temp.path()).empty());
  prune_kernel_cache(temp.path() / "not there");
}

TEST_CASE("pruning takes the leavings of killed writers, and nothing that is not the cache's") {
  const test::TempDirectory temp;
  const fs::path abandoned = temp.path() / (kKey + ".kernel.tmp.AbCdEf");
  const fs::path being_written = temp.path() / (kKey + ".kernel.tmp.GhIjKl");
  const fs::path other = temp.path() / "notes.txt";
  for (const fs::path& path : {abandoned, being_written, other}) test::spill(path, "x");
  fs::create_directory(temp.path() / "a.kernel");
  age(abandoned, std::chrono::hours(2));
  age(other, std::chrono::hours(2000));
  prune_kernel_cache(temp.path(), {0, 0});
  CHECK_FALSE(fs::exists(abandoned));
  CHECK(fs::exists(being_written));
  CHECK(fs::exists(other));
  CHECK(fs::exists(temp.path() / "a.kernel"));
}

TEST_CASE("processes that fill and prune one cache at once stay within its bound and read whole entries or none") {
  const test::TempDirectory temp;
  const KernelCacheLimits limits{1 << 20, 5};
  pid_t children[4] = {};
  for (size_t i = 0; i < 4; ++i) {
    children[i] = fork();
    REQUIRE(children[i] >= 0);
    if (children[i] != 0) continue;
    bool good = true;
    for (size_t round = 0; round < 60; ++round) {
      const std::string key = key_of(static_cast<char>('a' + (round * 7 + i * 3) % 13));
      good = good && write_cached_kernel(temp.path(), key, kernel_of(std::string(5000, 'k')), limits).ok();
      const auto read = read_cached_kernel(temp.path(), key_of(static_cast<char>('a' + round % 13)));
      good = good && (!read || read->cubin.size() == 5000);
    }
    _exit(good ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(letters_in(temp.path()).size() <= 5);
  CHECK_FALSE(letters_in(temp.path()).empty());
}
