#include "vm/cuda/driver.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <utility>

using namespace amk;
using namespace amk::vm::cuda;

TEST_CASE("GPUs are listed, or it is said what is missing: never both, never neither") {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto devices = list_devices();
  if (library == nullptr) {
    REQUIRE_FALSE(devices.ok());
    CHECK(devices.error().code == ErrorCode::kUnsupported);
    CHECK(devices.error().message == "no CUDA driver (libcuda.so.1) on this machine");
    CHECK(devices.error().hint.find("libcuda.so.1") != std::string::npos);
  } else if (devices.ok()) {
    CHECK_FALSE(devices->empty());
  } else {
    CHECK(devices.error().code == ErrorCode::kUnsupported);
    CHECK(devices.error().message.find("driver") != std::string::npos);
  }
}

TEST_CASE("a device that is not there is refused as unsupported") {
  for (const int ordinal : {-1, 4096}) {
    const auto device = Device::open(ordinal);
    REQUIRE_FALSE(device.ok());
    CHECK(device.error().code == ErrorCode::kUnsupported);
  }
}

TEST_CASE("empty handles are moved and destroyed without a driver") {
  DeviceBuffer buffer;
  DeviceBuffer other(std::move(buffer));
  buffer = std::move(other);
  CHECK(buffer.size() == 0);
  CHECK(buffer.address() == 0);
  PinnedBuffer pinned;
  pinned = PinnedBuffer(std::move(pinned));
  CHECK(pinned.data() == nullptr);
  Module module;
  module = Module(std::move(module));
  Event event;
  event = Event(std::move(event));
}
