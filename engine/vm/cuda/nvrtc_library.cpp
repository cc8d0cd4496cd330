#include "vm/cuda/nvrtc_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "vm/cuda/library_search.h"

namespace amk::vm::cuda::detail {

std::vector<std::string> nvrtc_candidates() {
  return library_candidates(
      {"AMK_NVRTC", {"libnvrtc.so.13", "libnvrtc.so.12"}, {"nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"}});
}

Result<NvrtcApi> open_nvrtc(const std::vector<std::string>& candidates) {
  std::string tried;
  for (const std::string& candidate : candidates) {
    tried += (tried.empty() ? "" : "; ") + candidate;
    void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    NvrtcApi api;
    bool complete = true;
#define AMK_NVRTC_FIND(member, symbol, result, parameters)                      \
  api.member = reinterpret_cast<result(*) parameters>(dlsym(library, #symbol)); \
  complete = complete && api.member != nullptr;
    AMK_NVRTC_FUNCTIONS(AMK_NVRTC_FIND)
#undef AMK_NVRTC_FIND
    if (complete && api.version(&api.major, &api.minor) == 0) return api;
    tried += " (not an NVRTC of CUDA 11.2 or later)";
  }
  return Error{ErrorCode::kUnsupported, fmt::format("no NVRTC on this machine; tried {}", tried), "",
               "install the CUDA toolkit or the python package nvidia-cuda-nvrtc, or name the library in AMK_NVRTC"};
}

Result<const NvrtcApi*> nvrtc_api() {
  static const Result<NvrtcApi> kNvrtc = open_nvrtc(nvrtc_candidates());
  if (!kNvrtc.ok()) return kNvrtc.error();
  return &kNvrtc.value();
}

}  // namespace amk::vm::cuda::detail
