#include "cli/gpu_probe.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cctype>
#include <chrono>
#include <initializer_list>
#include <utility>

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

/// What the first call of a driver may take.
constexpr std::chrono::seconds kProbeDeadline{60};

Status ask_worker(GpuProbe& out, const std::string& launch) {
  AMK_ASSIGN_OR_RETURN(ipc::WorkerCommand command, ipc::launched_worker(launch));
  AMK_ASSIGN_OR_RETURN(ipc::WorkerClient worker, ipc::WorkerClient::start(std::move(command)));
  out.worker = std::make_shared<ipc::WorkerClient>(std::move(worker));
  AMK_ASSIGN_OR_RETURN(const ipc::Json devices, out.worker->call("devices", ipc::Json::object(), kProbeDeadline));
  try {
    for (const ipc::Json& device : devices) {
      const auto name = device.at("name").get<std::string>();
      const auto sm = device.at("sm").get<uint32_t>();
      const auto sms = device.at("sms").get<uint32_t>();
      out.driver = device.at("driver_version").get<std::string>();
      out.gpus.push_back({device.at("ordinal").get<int>(), name, sm, sms, device.at("memory_bytes").get<uint64_t>(),
                          target_of(name, sm, sms)});
    }
  } catch (const ipc::Json::exception& problem) {
    return Error{ErrorCode::kInternal, fmt::format("expected a list of GPUs from amk-worker, found {}", problem.what()),
                 "", ""};
  }
  return {};
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

GpuProbe probe_gpus(const std::string& launch) {
  GpuProbe out;
  const Status asked = ask_worker(out, launch);
  if (!asked) {
    out.gpus.clear();
    out.problem = asked.error().message;
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
