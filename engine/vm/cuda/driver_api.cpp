#include "vm/cuda/driver_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace amk::vm::cuda::detail {
namespace {

Error unsupported(std::string message, std::string hint = "") {
  return {ErrorCode::kUnsupported, std::move(message), "", std::move(hint)};
}

Result<DriverApi> open_driver() {
  // Never closed: a driver that has been started does not like being unloaded.
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return unsupported("no CUDA driver (libcuda.so.1) on this machine", why == nullptr ? "" : why);
  }
  DriverApi api;
  std::string missing;
#define AMK_CUDA_FIND(member, symbol, parameters)                                 \
  api.member = reinterpret_cast<CuResult(*) parameters>(dlsym(library, #symbol)); \
  if (api.member == nullptr) missing += missing.empty() ? #symbol : ", " #symbol;
  AMK_CUDA_FUNCTIONS(AMK_CUDA_FIND)
#undef AMK_CUDA_FIND
  if (!missing.empty()) {
    return unsupported(fmt::format("the CUDA driver (libcuda.so.1) lacks {}", missing),
                       "it is too old: a driver for CUDA 11.4 or later has them");
  }
  if (const CuResult result = api.init(0); result == kNoDevice) {
    return unsupported("the CUDA driver finds no GPU (cuInit: CUDA_ERROR_NO_DEVICE)");
  } else if (result != 0) {
    return unsupported(fmt::format("the CUDA driver does not start: cuInit: {}", api.describe(result)));
  }
  return api;
}

}  // namespace

std::string DriverApi::describe(CuResult result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (error_name(result, &name) != 0 || name == nullptr) return fmt::format("error {}", result);
  if (error_string(result, &text) != 0 || text == nullptr) return name;
  return fmt::format("{}: {}", name, text);
}

Status DriverApi::check(CuResult result, std::string_view call) const {
  if (result == 0) return {};
  return Error{ErrorCode::kInternal, fmt::format("{}: {}", call, describe(result)), "", ""};
}

Result<const DriverApi*> driver_api() {
  static const Result<DriverApi> kDriver = open_driver();
  if (!kDriver.ok()) return kDriver.error();
  return &kDriver.value();
}

}  // namespace amk::vm::cuda::detail
