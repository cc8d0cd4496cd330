#include <doctest/doctest.h>

#include <string>

#include "model/synthetic.h"
#include "support/skipped.h"
#include "vm/cuda/baselines/decode_step.h"
#include "vm/cuda/baselines/sources.h"

using namespace amk;
using namespace amk::vm::cuda;

namespace {

bool no_nvrtc(const char* test_case) {
  const Result<std::string> version = nvrtc_version();
  if (!version.ok()) test::skip(test_case, version.error().text());
  return !version.ok();
}

/// Compiles; fails the test with NVRTC's log, and where a kernel spills registers.
void check_builds(const Result<CompileRequest>& request) {
  REQUIRE_MESSAGE(request.ok(), (request.ok() ? "" : request.error().text()));
  const Result<CompiledKernel> compiled = compile(*request);
  REQUIRE_MESSAGE(compiled.ok(), (compiled.ok() ? "" : compiled.error().text()));
  size_t kernels = 0;
  for (size_t at = 0; (at = compiled->log.find(" bytes spill stores", at)) != std::string::npos; ++at) {
    ++kernels;
    CHECK_MESSAGE(compiled->log.substr(at - 2, 2) == " 0", compiled->log);
  }
  CHECK(kernels > 0);
}

}  // namespace

TEST_CASE("the rival's kernels compile for every architecture, dtype and shape, and spill nothing") {
  if (no_nvrtc("the rival's kernels compile")) return;
  for (const uint32_t sm : {75U, 80U, 86U, 89U, 90U, 100U, 120U}) {
    CAPTURE(sm);
    check_builds(
        decode_step_request(*model::builtin_config("synthetic:smollm2-135m"), abi::Dtype::kBf16, 2048, 132, sm));
  }
  for (const char* name : {"toy", "toy-2l", "synthetic:llama-3.2-1b", "synthetic:llama-3.1-8b"}) {
    for (const abi::Dtype dtype : {abi::Dtype::kF32, abi::Dtype::kF16, abi::Dtype::kBf16}) {
      CAPTURE(name);
      CAPTURE(abi::dtype_name(dtype));
      check_builds(decode_step_request(*model::builtin_config(name), dtype, 256, 132, 90));
    }
  }
}

TEST_CASE("the bandwidth kernels compile for every architecture") {
  if (no_nvrtc("the bandwidth kernels compile")) return;
  for (const uint32_t sm : {75U, 80U, 90U, 100U, 120U}) {
    check_builds(baseline_request("vm/cuda/baselines/bandwidth.cu", sm, {}));
  }
}

TEST_CASE("sizes that a 16-byte access does not divide are refused, not computed wrongly") {
  model::ModelConfig config = *model::builtin_config("synthetic:smollm2-135m");
  config.intermediate_size += 4;
  const Result<CompileRequest> request = decode_step_request(config, abi::Dtype::kBf16, 256, 132, 90);
  REQUIRE_FALSE(request.ok());
  CHECK(request.error().code == ErrorCode::kUnsupported);
  CHECK(request.error().message.find("intermediate_size") != std::string::npos);
}
