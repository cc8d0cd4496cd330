#include "cli/gpu_probe.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <cctype>
#include <initializer_list>
#include <memory>

namespace amk::cli {
namespace {

/// Closes nothing on purpose: a driver that has been started does not like being unloaded.
class Library {
 public:
  explicit Library(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL); handle_ != nullptr) return;
    }
  }
  [[nodiscard]] bool found() const { return handle_ != nullptr; }

  /// The function of that name, or null.
  template <typename Function>
  [[nodiscard]] Function* function(const char* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(handle_, name));
  }

 private:
  void* handle_ = nullptr;
};

// Types and constants of the driver interface. Source: cuda.h, CUdevice_attribute.
using CuResult = int;
using CuDevice = int;
constexpr int kMultiprocessorCount = 16;
constexpr int kComputeCapabilityMajor = 75;
constexpr int kComputeCapabilityMinor = 76;

struct Driver {
  explicit Driver(const Library& library)
      : init(library.function<CuResult(unsigned)>("cuInit")),
        version(library.function<CuResult(int*)>("cuDriverGetVersion")),
        count(library.function<CuResult(int*)>("cuDeviceGetCount")),
        get(library.function<CuResult(CuDevice*, int)>("cuDeviceGet")),
        name(library.function<CuResult(char*, int, CuDevice)>("cuDeviceGetName")),
        attribute(library.function<CuResult(int*, int, CuDevice)>("cuDeviceGetAttribute")),
        memory(library.function<CuResult(size_t*, CuDevice)>("cuDeviceTotalMem_v2")) {}

  [[nodiscard]] bool complete() const {
    return init != nullptr && version != nullptr && count != nullptr && get != nullptr && name != nullptr &&
           attribute != nullptr && memory != nullptr;
  }

  CuResult (*init)(unsigned);
  CuResult (*version)(int*);
  CuResult (*count)(int*);
  CuResult (*get)(CuDevice*, int);
  CuResult (*name)(char*, int, CuDevice);
  CuResult (*attribute)(int*, int, CuDevice);
  CuResult (*memory)(size_t*, CuDevice);
};

std::optional<Gpu> read_gpu(const Driver& driver, int index) {
  CuDevice device = 0;
  std::array<char, 256> name{};
  int major = 0;
  int minor = 0;
  int sms = 0;
  size_t memory = 0;
  if (driver.get(&device, index) != 0 || driver.name(name.data(), static_cast<int>(name.size()) - 1, device) != 0 ||
      driver.attribute(&major, kComputeCapabilityMajor, device) != 0 ||
      driver.attribute(&minor, kComputeCapabilityMinor, device) != 0 ||
      driver.attribute(&sms, kMultiprocessorCount, device) != 0 || driver.memory(&memory, device) != 0) {
    return std::nullopt;
  }
  Gpu gpu{name.data(), static_cast<uint32_t>(major * 10 + minor), static_cast<uint32_t>(sms), memory, nullptr};
  gpu.target = target_of(gpu.name, gpu.sm, gpu.sms);
  return gpu;
}

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

/// CUDA encodes 12.8 as 12080.
std::string cuda_version(int code) { return fmt::format("{}.{}", code / 1000, code % 1000 / 10); }

std::optional<std::string> nvrtc_version() {
  const Library library{"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"};
  auto* version = library.function<int(int*, int*)>("nvrtcVersion");
  int major = 0;
  int minor = 0;
  if (version == nullptr || version(&major, &minor) != 0) return std::nullopt;
  return fmt::format("{}.{}", major, minor);
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
  const Library library{"libcuda.so.1"};
  if (!library.found()) {
    out.problem = "no CUDA driver (libcuda.so.1) on this machine";
    return out;
  }
  const Driver driver(library);
  if (!driver.complete()) {
    out.problem = "the CUDA driver lacks functions of its interface";
    return out;
  }
  int version = 0;
  if (driver.version(&version) == 0) out.driver = cuda_version(version);
  int count = 0;
  if (const CuResult result = driver.init(0); result != 0) {
    out.problem = fmt::format("the CUDA driver does not start (cuInit: error {})", result);
  } else if (driver.count(&count) != 0 || count == 0) {
    out.problem = "the CUDA driver finds no GPU";
  }
  for (int i = 0; i < count; ++i) {
    if (std::optional<Gpu> gpu = read_gpu(driver, i)) out.gpus.push_back(std::move(*gpu));
  }
  if (out.gpus.empty() && out.problem.empty()) out.problem = "the CUDA driver does not describe its GPUs";
  return out;
}

GpuProbe probe_cuda() {
  GpuProbe out = probe_gpus();
  out.nvrtc = nvrtc_version();
  out.cublas = cublas_version();
  return out;
}

}  // namespace amk::cli
