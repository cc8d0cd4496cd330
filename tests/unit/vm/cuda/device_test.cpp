// The driver on a GPU. Kernels are compiled on the spot, so NVRTC is needed too.
#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "support/skipped.h"
#include "vm/cuda/driver.h"
#include "vm/cuda/nvrtc.h"

using namespace amk;
using namespace amk::vm::cuda;

namespace {

std::optional<Device> open_device(const char* test_case) {
  Result<Device> device = Device::open();
  if (device.ok()) return std::move(device).value();
  test::skip(test_case, device.error().text());
  return std::nullopt;
}

constexpr std::string_view kSource = R"(
#include <stdint.h>
extern "C" __global__ void add_one(uint32_t* words, uint32_t count) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) words[i] += 1;
}
extern "C" __global__ void all_meet(uint32_t* counter, uint32_t* met) {
  extern __shared__ uint32_t shared[];
  shared[threadIdx.x] = 1;
  atomicAdd(counter, shared[threadIdx.x]);
  while (*static_cast<volatile uint32_t*>(counter) < gridDim.x) {}
  atomicAdd(met, 1);
}
extern "C" __global__ void tell(volatile uint32_t* host, uint32_t word) {
  host[0] = word;
  __threadfence_system();
  asm volatile("trap;");
}
)";

std::optional<Module> compiled(Device& device, const char* test_case) {
  const auto kernel = compile({"k.cu", {{"k.cu", kSource}}, device.info().sm, {}});
  if (!kernel.ok() && kernel.error().code == ErrorCode::kUnsupported) {
    test::skip(test_case, kernel.error().text());
    return std::nullopt;
  }
  REQUIRE_MESSAGE(kernel.ok(), (kernel.ok() ? "" : kernel.error().text()));
  Result<Module> module = device.load(kernel->cubin);
  REQUIRE(module.ok());
  return std::move(module).value();
}

std::vector<uint32_t> words_of(Device& device, const DeviceBuffer& buffer) {
  std::vector<uint32_t> words(buffer.size() / 4);
  const Status status = device.download(std::as_writable_bytes(std::span(words)), buffer.address());
  REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().text()));
  return words;
}

}  // namespace

TEST_CASE("a GPU says of itself what a GPU must have") {
  auto device = open_device("a GPU says of itself what a GPU must have");
  if (!device) return;
  const DeviceInfo& info = device->info();
  MESSAGE(info.name << ", sm_" << info.sm << ", " << info.sms << " SMs, CUDA " << info.driver_version);
  CHECK(info.sm >= 75);
  CHECK(info.sms > 0);
  CHECK(info.memory_bytes > 1'000'000'000);
  CHECK(info.smem_block_bytes >= 48 * 1024);
  CHECK(info.l2_bytes > 0);
  CHECK(list_devices()->front().name == info.name);
  CHECK(device->stream() != nullptr);
  CHECK(Device::open(4096).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("bytes go up and come back; zero and fill are ordered with them; a moved buffer frees once") {
  auto device = open_device("bytes go up and come back");
  if (!device) return;
  std::vector<uint32_t> words(1'000'003);
  std::iota(words.begin(), words.end(), 7U);
  Result<DeviceBuffer> made = device->allocate(words.size() * 4);
  REQUIRE(made.ok());
  DeviceBuffer buffer = std::move(made).value();
  CHECK(buffer.address() % 256 == 0);
  REQUIRE(device->upload(buffer.address(), std::as_bytes(std::span(words))).ok());
  CHECK((words_of(*device, buffer) == words));
  REQUIRE(device->fill(buffer.address() + 4, 2, 0xABCD1234).ok());
  CHECK(words_of(*device, buffer)[2] == 0xABCD1234);
  CHECK(words_of(*device, buffer)[3] == words[3]);
  REQUIRE(device->zero(buffer).ok());
  CHECK((words_of(*device, buffer) == std::vector<uint32_t>(words.size(), 0)));

  DeviceBuffer other = std::move(buffer);
  CHECK(buffer.address() == 0);
  CHECK(buffer.size() == 0);
  other = DeviceBuffer();
  Result<DeviceBuffer> empty = device->allocate(0);
  REQUIRE(empty.ok());
  CHECK(empty->size() == 0);
  CHECK(device->zero(*empty).ok());
}

TEST_CASE("memory that is not there is refused with what was asked and what is free") {
  auto device = open_device("memory that is not there is refused");
  if (!device) return;
  const auto buffer = device->allocate(1ULL << 50);
  REQUIRE_FALSE(buffer.ok());
  CHECK(buffer.error().code == ErrorCode::kIo);
  CHECK(buffer.error().message.find("1125899906842624 bytes") != std::string::npos);
  CHECK(buffer.error().message.find("are free") != std::string::npos);
  CHECK(device->allocate(1024).ok());
}

TEST_CASE("a kernel is launched, timed, and replayed from a graph") {
  const char* name = "a kernel is launched, timed, and replayed from a graph";
  auto device = open_device(name);
  if (!device) return;
  auto module = compiled(*device, name);
  if (!module) return;
  const Kernel kernel = module->kernel("add_one").value();
  CHECK(module->kernel("absent").error().code == ErrorCode::kInternal);
  CHECK(module->kernel("absent").error().location == "absent");
  uint32_t count = 1000;
  const DeviceBuffer buffer = device->allocate(count * 4).value();
  REQUIRE(device->zero(buffer).ok());
  uint64_t address = buffer.address();
  const std::array<void*, 2> arguments = {&address, &count};
  const LaunchShape shape{8, 1, 1, 128, 0};
  const Event begin = device->create_event().value();
  const Event end = device->create_event().value();
  REQUIRE(device->record(begin).ok());
  REQUIRE(device->launch(kernel, shape, arguments).ok());
  REQUIRE(device->record(end).ok());
  const auto elapsed = device->elapsed_us(begin, end);
  REQUIRE(elapsed.ok());
  CHECK(*elapsed > 0);
  CHECK(*elapsed < 1e6);
  CHECK((words_of(*device, buffer) == std::vector<uint32_t>(count, 1)));

  REQUIRE(device->begin_capture().ok());
  REQUIRE(device->launch(kernel, shape, arguments).ok());
  REQUIRE(device->launch(kernel, shape, arguments).ok());
  const auto graph = device->end_capture();
  REQUIRE(graph.ok());
  for (int i = 0; i < 3; ++i) REQUIRE(device->launch_graph(*graph).ok());
  CHECK((words_of(*device, buffer) == std::vector<uint32_t>(count, 7)));
  device->destroy_graph(*graph);
}

TEST_CASE("a cooperative launch has every block resident at once, or fails") {
  const char* name = "a cooperative launch has every block resident at once, or fails";
  auto device = open_device(name);
  if (!device) return;
  auto module = compiled(*device, name);
  if (!module) return;
  const Kernel kernel = module->kernel("all_meet").value();
  const uint32_t smem = device->info().smem_block_bytes;
  REQUIRE(device->allow_smem(kernel, smem).ok());
  CHECK(device->allow_smem(kernel, smem + 1).error().code == ErrorCode::kUnsupported);
  const KernelResources resources = device->resources(kernel, 1, smem).value();
  CHECK(resources.blocks_per_sm == 1);
  CHECK(resources.registers > 0);
  CHECK(resources.threads_max >= 32);
  const DeviceBuffer counters = device->allocate(8).value();
  REQUIRE(device->zero(counters).ok());
  uint64_t counter = counters.address();
  uint64_t met = counters.address() + 4;
  const std::array<void*, 2> arguments = {&counter, &met};
  const uint32_t sms = device->info().sms;
  REQUIRE(device->launch_cooperative(kernel, {sms, 1, 1, 1, smem}, arguments).ok());
  CHECK((words_of(*device, counters) == std::vector<uint32_t>{sms, sms}));
  const Status refused = device->launch_cooperative(kernel, {sms + 1, 1, 1, 1, smem}, arguments);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find("CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE") != std::string::npos);
}

TEST_CASE("copies through pinned memory are ordered in the stream") {
  auto device = open_device("copies through pinned memory are ordered in the stream");
  if (!device) return;
  const PinnedBuffer from = device->allocate_pinned(4096).value();
  const PinnedBuffer to = device->allocate_pinned(4096).value();
  const DeviceBuffer buffer = device->allocate(4096).value();
  for (size_t i = 0; i < 4096; ++i) from.data()[i] = static_cast<std::byte>(i * 7);
  REQUIRE(device->upload_async(buffer.address(), {from.data(), 4096}).ok());
  REQUIRE(device->download_async({to.data(), 4096}, buffer.address()).ok());
  REQUIRE(device->synchronize().ok());
  CHECK(std::equal(from.data(), from.data() + 4096, to.data()));
}

TEST_CASE("what is no cubin is refused before the driver sees it") {
  auto device = open_device("what is no cubin is refused before the driver sees it");
  if (!device) return;
  const std::vector<std::byte> junk(1000);
  CHECK(device->load(junk).error().code == ErrorCode::kBadInput);
  CHECK(device->load({}).error().code == ErrorCode::kBadInput);
}

// Last: a trap leaves this process without its GPU.
TEST_CASE("a kernel that traps is an error at the next wait, and what it told pinned memory survives") {
  const char* name = "a kernel that traps is an error at the next wait";
  auto device = open_device(name);
  if (!device) return;
  auto module = compiled(*device, name);
  if (!module) return;
  const Kernel kernel = module->kernel("tell").value();
  const PinnedBuffer host = device->allocate_pinned(64).value();
  uint64_t address = host.device_address();
  uint32_t word = 0xFEEDF00D;
  const std::array<void*, 2> arguments = {&address, &word};
  REQUIRE(device->launch(kernel, {}, arguments).ok());
  const Status status = device->synchronize();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kInternal);
  MESSAGE(status.error().text());
  CHECK(*reinterpret_cast<volatile uint32_t*>(host.data()) == 0xFEEDF00D);
  CHECK_FALSE(device->synchronize().ok());
}
