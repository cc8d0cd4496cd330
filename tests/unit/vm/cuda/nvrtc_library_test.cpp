#include "vm/cuda/nvrtc_library.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "support/environment.h"
#include "support/temp_directory.h"

using namespace amk;
using namespace amk::vm::cuda;
namespace fs = std::filesystem;

namespace {

std::string put(const fs::path& path) {
  fs::create_directories(path.parent_path());
  test::spill(path, "not a library");
  return path.string();
}

bool among(const std::vector<std::string>& candidates, const std::string& path) {
  return std::find(candidates.begin(), candidates.end(), path) != candidates.end();
}

}  // namespace

TEST_CASE("AMK_NVRTC is the only candidate where it is set, and an error names it") {
  const test::Environment named("AMK_NVRTC", "/no/such/libnvrtc.so");
  const auto candidates = detail::nvrtc_candidates();
  CHECK(candidates == std::vector<std::string>{"/no/such/libnvrtc.so"});
  const auto opened = detail::open_nvrtc(candidates);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == ErrorCode::kUnsupported);
  CHECK(opened.error().message.find("/no/such/libnvrtc.so") != std::string::npos);
  CHECK(opened.error().hint.find("AMK_NVRTC") != std::string::npos);
}

TEST_CASE("the loader is asked first, then the toolkits, then the python packages of environments and of PATH") {
  const test::TempDirectory temp;
  const test::Environment unnamed("AMK_NVRTC", nullptr);
  const test::Environment home("CUDA_HOME", (temp.path() / "home").string());
  const test::Environment path("CUDA_PATH", (temp.path() / "path").string());
  const test::Environment venv("VIRTUAL_ENV", (temp.path() / "venv").string());
  const test::Environment programs("PATH", "/no/such:" + (temp.path() / "python/bin").string());
  put(temp.path() / "python/bin/python3");
  const std::vector<std::string> expected = {
      "libnvrtc.so.13",
      "libnvrtc.so.12",
      put(temp.path() / "home/lib64/libnvrtc.so.12"),
      put(temp.path() / "path/lib64/libnvrtc.so.13"),
      put(temp.path() / "venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
      put(temp.path() / "python/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13"),
  };
  put(temp.path() / "venv/lib/python3.11/site-packages/nvidia/other/lib/libnvrtc.so.12");
  const auto candidates = detail::nvrtc_candidates();
  size_t at = 0;
  for (const std::string& path_expected : expected) {
    CAPTURE(path_expected);
    const auto found = std::find(candidates.begin() + static_cast<std::ptrdiff_t>(at), candidates.end(), path_expected);
    REQUIRE(found != candidates.end());
    at = static_cast<size_t>(found - candidates.begin()) + 1;
  }
  CHECK_FALSE(
      among(candidates, (temp.path() / "venv/lib/python3.11/site-packages/nvidia/other/lib/libnvrtc.so.12").string()));
}

TEST_CASE("a file or library that is no NVRTC is passed over") {
  const test::TempDirectory temp;
  const auto opened = detail::open_nvrtc({put(temp.path() / "libnvrtc.so.13"), "libm.so.6"});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().message.find("libm.so.6 (not an NVRTC") != std::string::npos);
}
