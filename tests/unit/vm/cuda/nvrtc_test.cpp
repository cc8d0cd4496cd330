#include "vm/cuda/nvrtc.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "abi/tables.h"
#include "support/environment.h"
#include "support/skipped.h"
#include "support/temp_directory.h"
#include "vm/cuda/kernel_cache.h"
#include "vm/cuda/kernel_sources.h"

using namespace amk;
using namespace amk::vm::cuda;
namespace fs = std::filesystem;

namespace {

constexpr uint32_t kArchitectures[] = {75, 80, 86, 89, 90, 100, 103, 120, 121};

/// Whether there is an NVRTC; says so by the test's name where there is none.
bool have_nvrtc(const char* test_case) {
  const auto version = nvrtc_version();
  if (!version.ok()) test::skip(test_case, version.error().text());
  return version.ok();
}

constexpr std::string_view kMain = R"(
#include "abi/tables.h"
#include "part.cuh"
extern "C" __global__ void add(float* out, const float* in, uint32_t count) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] += in[i] * PART_SCALE + helper(amk::abi::kOpcodeCount);
}
)";
constexpr std::string_view kPart = "#pragma once\ninline float helper(unsigned n) { return static_cast<float>(n); }\n";

CompileRequest request_for(uint32_t sm, std::string_view main = kMain) {
  CompileRequest request{"main.cu", {{"main.cu", main}, {"part.cuh", kPart}}, sm, {"PART_SCALE=2.0f"}};
  for (const SourceFile& file : kernel_sources()) request.files.push_back(file);
  return request;
}

bool is_elf(const CompiledKernel& kernel) {
  return kernel.cubin.size() > 64 && kernel.cubin[0] == std::byte{0x7F} && kernel.cubin[1] == std::byte{'E'};
}

}  // namespace

TEST_CASE("a kernel that includes the tables compiles for every architecture we name, without a GPU") {
  if (!have_nvrtc("a kernel compiles for every architecture we name")) return;
  for (const uint32_t sm : kArchitectures) {
    CAPTURE(sm);
    const auto kernel = compile(request_for(sm));
    REQUIRE_MESSAGE(kernel.ok(), (kernel.ok() ? "" : kernel.error().text()));
    CHECK(is_elf(*kernel));
    CHECK(kernel->log.find("registers") != std::string::npos);
    CHECK(kernel->log.find("sm_" + std::to_string(sm) + "'") != std::string::npos);
  }
}

TEST_CASE("every row of the target table compiles") {
  if (!have_nvrtc("every row of the target table compiles")) return;
  for (const abi::TargetInfo& target : abi::kTargets) {
    CAPTURE(target.name);
    CHECK(compile(request_for(target.sm)).ok());
  }
}

TEST_CASE("what the compiler says of an error reaches the caller, with file and line") {
  if (!have_nvrtc("what the compiler says of an error reaches the caller")) return;
  const auto kernel = compile(request_for(90, "\n__global__ void f() { undeclared_name = 1; }\n"));
  REQUIRE_FALSE(kernel.ok());
  CHECK(kernel.error().code == ErrorCode::kInternal);
  CHECK(kernel.error().location == "main.cu");
  CHECK(kernel.error().message.find("NVRTC_ERROR_COMPILATION") != std::string::npos);
  CHECK(kernel.error().message.find("main.cu(2)") != std::string::npos);
  CHECK(kernel.error().message.find("undeclared_name") != std::string::npos);
}

TEST_CASE("an include that was not handed over is an error that names it") {
  if (!have_nvrtc("an include that was not handed over is an error that names it")) return;
  const auto kernel = compile(request_for(90, "#include \"absent.cuh\"\n"));
  REQUIRE_FALSE(kernel.ok());
  CHECK(kernel.error().message.find("absent.cuh") != std::string::npos);
  CompileRequest headless = request_for(90);
  headless.main = "elsewhere.cu";
  CHECK(compile(headless).error().message == "expected the file that is compiled among the files");
}

TEST_CASE("an architecture that NVRTC does not know is unsupported, with those that it knows") {
  if (!have_nvrtc("an architecture that NVRTC does not know is unsupported")) return;
  const auto kernel = compile(request_for(35));
  REQUIRE_FALSE(kernel.ok());
  CHECK(kernel.error().code == ErrorCode::kUnsupported);
  CHECK(kernel.error().message.find("sm_35") != std::string::npos);
  CHECK(kernel.error().message.find("90") != std::string::npos);
}

TEST_CASE("the same request gives the same bytes") {
  if (!have_nvrtc("the same request gives the same bytes")) return;
  CHECK((compile(request_for(90))->cubin == compile(request_for(90))->cubin));
}

TEST_CASE("a second compilation comes from the cache; a broken entry is compiled anew and mended, never loaded") {
  if (!have_nvrtc("a second compilation comes from the cache")) return;
  const test::TempDirectory temp;
  const test::Environment cache("XDG_CACHE_HOME", temp.path().string());
  const CompileRequest request = request_for(90);
  const auto first = compile_cached(request);
  REQUIRE(first.ok());
  const fs::path directory = kernel_cache_directory();
  const std::string key = kernel_key(request, nvrtc_version().value());
  REQUIRE(read_cached_kernel(directory, key).has_value());
  CHECK((read_cached_kernel(directory, key)->cubin == first->cubin));

  // A marked entry shows that a hit is what is on the disk, not a compilation.
  REQUIRE(write_cached_kernel(directory, key, {first->cubin, "the marked one"}).ok());
  CHECK(compile_cached(request)->log == "the marked one");

  const fs::path entry = fs::directory_iterator(directory)->path();
  const std::string whole = test::slurp(entry);
  for (const std::string& broken : {whole.substr(0, whole.size() / 2), whole.substr(0, whole.size() - 1) + "~",
                                    std::string(), std::string("\0\0\0", 3)}) {
    test::spill(entry, broken);
    const auto again = compile_cached(request);
    REQUIRE(again.ok());
    CHECK((again->cubin == first->cubin));
    CHECK(again->log != "the marked one");
    CHECK(read_cached_kernel(directory, key).has_value());
  }
}

TEST_CASE("a cache that cannot be written costs a compilation and no more") {
  if (!have_nvrtc("a cache that cannot be written costs a compilation and no more")) return;
  const test::TempDirectory temp;
  test::spill(temp.path() / "file", "");
  const test::Environment cache("XDG_CACHE_HOME", (temp.path() / "file").string());
  const auto kernel = compile_cached(request_for(80));
  REQUIRE(kernel.ok());
  CHECK(is_elf(*kernel));
}

TEST_CASE("an error is not kept: what failed once is tried again") {
  if (!have_nvrtc("an error is not kept")) return;
  const test::TempDirectory temp;
  const test::Environment cache("XDG_CACHE_HOME", temp.path().string());
  CHECK_FALSE(compile_cached(request_for(90, "error here")).ok());
  CHECK_FALSE(fs::exists(kernel_cache_directory()));
}
