#include <doctest/doctest.h>

#include <iostream>

#include "support/lowered.h"
#include "vm/cuda/kernel_build.h"

namespace {

using namespace amk;
using namespace amk::vm::cuda;

schedule::ScheduleConfig config_with(abi::SyncProtocol protocol, std::optional<abi::Products> products,
                                     std::optional<abi::StreamBackend> backend) {
  schedule::ScheduleConfig config;
  config.sync_protocol = protocol;
  config.products = products;
  config.stream_backend = backend;
  return config;
}

/// Compiles the kernel of a program; fails the test with NVRTC's log.
void check_builds(const schedule::Program& program, uint32_t sm) {
  const Result<KernelSpec> spec = kernel_spec(program);
  REQUIRE(spec.ok());
  const Result<CompiledKernel> compiled = compile(compile_request(*spec, sm));
  CHECK_MESSAGE(compiled.ok(), "sm_" << sm << ": " << (compiled.ok() ? "" : compiled.error().text()));
}

bool no_nvrtc() {
  const Result<std::string> version = nvrtc_version();
  if (!version.ok()) std::cout << "SKIPPED: " << version.error().text() << "\n";
  return !version.ok();
}

}  // namespace

TEST_CASE("the megakernel compiles for every architecture, on its best back end") {
  if (no_nvrtc()) return;
  const test::LoweredModel model = test::open_model("toy");
  for (const auto& [target, sm] : {std::pair{"t4", 75U},
                                   {"a100", 80U},
                                   {"a10g", 86U},
                                   {"l4", 89U},
                                   {"h100", 90U},
                                   {"b200", 100U},
                                   {"b200", 103U},
                                   {"rtx5090", 120U},
                                   {"rtx5090", 121U}}) {
    check_builds(test::lower(model, target), sm);
  }
}

TEST_CASE("the megakernel compiles unfused, with every protocol, back end and way to multiply") {
  if (no_nvrtc()) return;
  const test::LoweredModel model = test::open_model("toy");
  check_builds(test::lower(model, "h100", test::unfused()), 90);
  check_builds(test::lower(model, "h100", config_with(abi::SyncProtocol::kCounters, {}, {})), 90);
  check_builds(test::lower(model, "h100", config_with(abi::SyncProtocol::kPackets, abi::Products::kFloat32, {})), 90);
  for (const auto backend : {abi::StreamBackend::kCpAsync, abi::StreamBackend::kPlain}) {
    check_builds(test::lower(model, "h100", config_with(abi::SyncProtocol::kPackets, {}, backend)), 90);
  }
}
