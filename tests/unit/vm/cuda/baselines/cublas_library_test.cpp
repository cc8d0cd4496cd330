#include "vm/cuda/baselines/cublas_library.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "support/environment.h"
#include "support/temp_directory.h"

using namespace amk;
using namespace amk::vm::cuda;
namespace fs = std::filesystem;

TEST_CASE("AMK_CUBLAS is the only candidate where it is set, and an error names it") {
  const test::Environment named("AMK_CUBLAS", "/no/such/libcublas.so");
  const auto candidates = detail::cublas_candidates();
  CHECK(candidates == std::vector<std::string>{"/no/such/libcublas.so"});
  const auto opened = detail::open_cublas(candidates);
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().code == ErrorCode::kUnsupported);
  CHECK(opened.error().message.find("/no/such/libcublas.so") != std::string::npos);
  CHECK(opened.error().hint.find("AMK_CUBLAS") != std::string::npos);
}

TEST_CASE("cuBLAS is looked for by name, in the toolkit and in python's package of it") {
  const test::TempDirectory temp;
  const test::Environment unnamed("AMK_CUBLAS", nullptr);
  const test::Environment home("CUDA_HOME", (temp.path() / "home").string());
  const test::Environment venv("VIRTUAL_ENV", (temp.path() / "venv").string());
  for (const char* path :
       {"home/lib64/libcublas.so.12", "venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublas.so.12"}) {
    fs::create_directories((temp.path() / path).parent_path());
    test::spill(temp.path() / path, "not a library");
  }
  const auto candidates = detail::cublas_candidates();
  REQUIRE(candidates.size() >= 4);
  CHECK(candidates[0] == "libcublas.so.13");
  CHECK(candidates[1] == "libcublas.so.12");
  CHECK(candidates[2] == (temp.path() / "home/lib64/libcublas.so.12").string());
  const std::string python =
      (temp.path() / "venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublas.so.12").string();
  CHECK(std::find(candidates.begin(), candidates.end(), python) != candidates.end());
}

TEST_CASE("a library that is no cuBLAS is passed over") {
  const auto opened = detail::open_cublas({"libm.so.6"});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().message.find("libm.so.6 (not a cuBLAS") != std::string::npos);
}
