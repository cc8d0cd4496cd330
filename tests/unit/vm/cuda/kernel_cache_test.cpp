#include "vm/cuda/kernel_cache.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

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
