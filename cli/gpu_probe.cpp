#include "cli/gpu_probe.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cctype>
#include <initializer_list>
#include <utility>

#include "vm/cuda/driver.h"
#include "vm/cuda/nvrtc.h"

namespace amk::cli {
namespace {

/// Closes nothing on purpose: CUDA's libraries do not like being unloaded.
class Library {
 public:
  explicit Library(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL); handle_ != nullptr) return;
    }
  }

  /// The function of that name, or null.
  template <typename Function>
  [[nodiscard]] Function* function(const char* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(handle_, name));
  }

 private:
  void* handle_ = nullptr;
};

/// Lower case, without blanks and hyphens: "NVIDIA GeForce RTX 5090" mentions "rtx5090".
std::string squeezed(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

std::optional<std::string> cublas_version() {
  const Library library{"libcublas.so", "libcublas.so.13", "libcublas.so.12", "libcublas.so.11"};
  auto* property = library.function<int(int, int*)>("cublasGetProperty");  // libraryPropertyType: 0 major, 1 minor
  int major = 0;
  int minor = 0;
  if (property == nullptr || property(0, &major) != 0 || property(1, &minor) != 0) return std::nullopt;
  return fmt::format("{}.{}", major, minor);
}

}  // namespace

const abi::TargetInfo* target_of(const std::string& name, uint32_t sm, uint32_t sms) {
  const std::string mentioned = squeezed(name);
  const abi::TargetInfo* found = nullptr;
  for (const abi::TargetInfo& target : abi::kTargets) {
    if (target.sm != sm || target.sms != sms) continue;
    if (mentioned.find(target.name) != std::string::npos) return &target;
    if (found == nullptr) found = &target;
  }
  return found;
}

GpuProbe probe_gpus() {
  GpuProbe out;
  Result<std::vector<vm::cuda::DeviceInfo>> devices = vm::cuda::list_devices();
  if (!devices.ok()) {
    out.problem = devices.error().message;
    return out;
  }
  for (const vm::cuda::DeviceInfo& device : devices.value()) {
    out.driver = device.driver_version;
    out.gpus.push_back(
        {device.name, device.sm, device.sms, device.memory_bytes, target_of(device.name, device.sm, device.sms)});
  }
  return out;
}

GpuProbe probe_cuda() {
  GpuProbe out = probe_gpus();
  if (Result<std::string> version = vm::cuda::nvrtc_version(); version.ok()) out.nvrtc = std::move(version).value();
  out.cublas = cublas_version();
  return out;
}

}  // namespace amk::cli
