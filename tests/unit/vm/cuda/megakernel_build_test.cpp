#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <string_view>

#include "abi/build_knob.h"
#include "schedule/schedule_config_json.h"
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

/// What the assembler says of a cubin in its section .nv.info.
struct Resources {
  uint32_t registers = 0;    ///< a thread, most of any function
  uint32_t frame_bytes = 0;  ///< a thread, most of any function: spills and arrays
};

template <typename T>
T number_at(const std::vector<std::byte>& bytes, size_t at) {
  T out{};
  REQUIRE(at + sizeof(T) <= bytes.size());
  std::memcpy(&out, bytes.data() + at, sizeof(T));
  return out;
}

/// Of an ELF file of 64 bits. Attributes are {format, number, size or value}; those of format 4 have data.
Resources resources_of(const std::vector<std::byte>& cubin) {
  constexpr uint8_t kWithData = 4, kFrameSize = 0x11, kRegisterCount = 0x2f;
  const auto sections = number_at<uint64_t>(cubin, 0x28);
  const auto section = [&](uint64_t i, size_t field) { return number_at<uint64_t>(cubin, sections + 64 * i + field); };
  const auto names = section(number_at<uint16_t>(cubin, 0x3e), 24);
  Resources out;
  for (uint64_t i = 0; i < number_at<uint16_t>(cubin, 0x3c); ++i) {
    const auto name = names + number_at<uint32_t>(cubin, sections + 64 * i);
    if (std::string_view(reinterpret_cast<const char*>(cubin.data() + name)) != ".nv.info") continue;
    const uint64_t end = section(i, 24) + section(i, 32);
    for (uint64_t at = section(i, 24); at < end;) {
      const auto format = number_at<uint8_t>(cubin, at), attribute = number_at<uint8_t>(cubin, at + 1);
      const auto size = number_at<uint16_t>(cubin, at + 2);
      at += 4;
      if (format != kWithData) continue;
      const uint32_t value = size >= 8 ? number_at<uint32_t>(cubin, at + 4) : 0;  // behind the function's number
      if (attribute == kFrameSize) out.frame_bytes = std::max(out.frame_bytes, value);
      if (attribute == kRegisterCount) out.registers = std::max(out.registers, value);
      at += size;
    }
  }
  return out;
}

/// The kernel of a 16-bit model with every build knob at a value of its row.
Resources resources_with(const test::LoweredModel& model, const char* target, uint32_t sm,
                         uint32_t abi::BuildKnobInfo::*value) {
  schedule::ScheduleConfig config;
  for (const abi::BuildKnobInfo& knob : abi::kBuildKnobs)
    REQUIRE(schedule::set_knob(config, knob.path, std::to_string(knob.*value)).ok());
  const Result<KernelSpec> spec = kernel_spec(test::lower(model, target, config));
  REQUIRE(spec.ok());
  const Result<CompiledKernel> compiled = compile(compile_request(*spec, sm));
  REQUIRE_MESSAGE(compiled.ok(), (compiled.ok() ? "" : compiled.error().text()));
  return resources_of(compiled->cubin);
}

bool no_nvrtc() {
  const Result<std::string> version = nvrtc_version();
  if (!version.ok()) std::cout << "SKIPPED: " << version.error().text() << "\n";
  return !version.ok();
}

}  // namespace

TEST_CASE("the megakernel compiles for every architecture, on its best back end, with both ways to multiply") {
  if (no_nvrtc()) return;
  const test::LoweredModel model = test::open_model("toy");
  const test::LoweredModel bf16 = test::open_model("tests/models/llama-bf16-sharded");
  const schedule::ScheduleConfig on_tensor_cores =
      config_with(abi::SyncProtocol::kPackets, abi::Products::kTensorCores, {});
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
    if (sm >= 80) check_builds(test::lower(bf16, target, on_tensor_cores), sm);
  }
}

TEST_CASE("the megakernel compiles unfused, and with every protocol and back end") {
  if (no_nvrtc()) return;
  const test::LoweredModel model = test::open_model("toy");
  check_builds(test::lower(model, "h100", test::unfused()), 90);
  check_builds(test::lower(model, "h100", config_with(abi::SyncProtocol::kCounters, {}, {})), 90);
  const test::LoweredModel bf16 = test::open_model("tests/models/llama-bf16-sharded");
  check_builds(test::lower(bf16, "h100", config_with(abi::SyncProtocol::kCounters, abi::Products::kTensorCores, {})),
               90);
  for (const auto backend : {abi::StreamBackend::kCpAsync, abi::StreamBackend::kPlain}) {
    check_builds(test::lower(model, "h100", config_with(abi::SyncProtocol::kPackets, {}, backend)), 90);
    check_builds(
        test::lower(bf16, "h100", config_with(abi::SyncProtocol::kPackets, abi::Products::kTensorCores, backend)), 90);
  }
}

TEST_CASE("the megakernel compiles with build knobs at their least and most; their defaults spill nothing") {
  if (no_nvrtc()) return;
  const test::LoweredModel model = test::open_model("synthetic:llama-3.2-1b");
  const test::LoweredModel int8 = test::open_model("synthetic:llama-3.2-1b", "int8");
  constexpr uint32_t kFrameMax = 64;  // bytes; what more would cost is no longer worth a trial
  for (const auto& [target, sm] : {std::pair{"a100", 80U}, {"h100", 90U}}) {
    const Resources standard = resources_with(model, target, sm, &abi::BuildKnobInfo::default_value);
    for (const Resources& of : {standard, resources_with(int8, target, sm, &abi::BuildKnobInfo::default_value)}) {
      CHECK(of.registers > 0);
      CHECK(of.registers <= 128);
      CHECK(of.frame_bytes == 0);
    }
    const Resources other =
        resources_with(model, target, sm, sm == 80 ? &abi::BuildKnobInfo::min : &abi::BuildKnobInfo::max);
    CHECK(other.registers > 0);
    CHECK(other.frame_bytes <= kFrameMax);
    MESSAGE("sm_" << sm << ": " << standard.registers << " registers by default, " << other.registers << " and "
                  << other.frame_bytes << " bytes of frame at the other end");
  }
}
