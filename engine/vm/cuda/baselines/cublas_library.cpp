#include "vm/cuda/baselines/cublas_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "vm/cuda/library_search.h"

namespace amk::vm::cuda::detail {

std::vector<std::string> cublas_candidates() {
  return library_candidates(
      {"AMK_CUBLAS", {"libcublas.so.13", "libcublas.so.12"}, {"nvidia/cu13/lib", "nvidia/cublas/lib"}});
}

Result<CublasApi> open_cublas(const std::vector<std::string>& candidates) {
  std::string tried;
  for (const std::string& candidate : candidates) {
    tried += (tried.empty() ? "" : "; ") + candidate;
    void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    CublasApi api;
    bool complete = true;
#define AMK_CUBLAS_FIND(member, symbol, result, parameters)                     \
  api.member = reinterpret_cast<result(*) parameters>(dlsym(library, #symbol)); \
  complete = complete && api.member != nullptr;
    AMK_CUBLAS_FUNCTIONS(AMK_CUBLAS_FIND)
#undef AMK_CUBLAS_FIND
    if (complete) return api;
    tried += " (not a cuBLAS of CUDA 12 or later)";
  }
  return Error{ErrorCode::kUnsupported, fmt::format("no cuBLAS on this machine; tried {}", tried), "",
               "install the CUDA toolkit or the python package nvidia-cublas, or name the library in AMK_CUBLAS"};
}

Result<const CublasApi*> cublas_api() {
  static const Result<CublasApi> kCublas = open_cublas(cublas_candidates());
  if (!kCublas.ok()) return kCublas.error();
  return &kCublas.value();
}

}  // namespace amk::vm::cuda::detail
