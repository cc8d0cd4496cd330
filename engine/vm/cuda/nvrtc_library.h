// NVRTC's functions as pointers, and where its library is looked for. Internal to vm/cuda.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace amk::vm::cuda::detail {

using NvrtcResult = int;
using NvrtcProgram = void*;

inline constexpr NvrtcResult kNvrtcErrorCompilation = 6;

// member, symbol, result, parameters. Source: nvrtc.h of CUDA 13.0.
#define AMK_NVRTC_FUNCTIONS(X)                                                              \
  X(error_string, nvrtcGetErrorString, const char*, (NvrtcResult))                          \
  X(version, nvrtcVersion, NvrtcResult, (int*, int*))                                       \
  X(arch_count, nvrtcGetNumSupportedArchs, NvrtcResult, (int*))                             \
  X(archs, nvrtcGetSupportedArchs, NvrtcResult, (int*))                                     \
  X(create, nvrtcCreateProgram, NvrtcResult,                                                \
    (NvrtcProgram*, const char*, const char*, int, const char* const*, const char* const*)) \
  X(destroy, nvrtcDestroyProgram, NvrtcResult, (NvrtcProgram*))                             \
  X(compile, nvrtcCompileProgram, NvrtcResult, (NvrtcProgram, int, const char* const*))     \
  X(log_size, nvrtcGetProgramLogSize, NvrtcResult, (NvrtcProgram, size_t*))                 \
  X(log, nvrtcGetProgramLog, NvrtcResult, (NvrtcProgram, char*))                            \
  X(cubin_size, nvrtcGetCUBINSize, NvrtcResult, (NvrtcProgram, size_t*))                    \
  X(cubin, nvrtcGetCUBIN, NvrtcResult, (NvrtcProgram, char*))

struct NvrtcApi {
#define AMK_NVRTC_MEMBER(member, symbol, result, parameters) result(*member) parameters = nullptr;
  AMK_NVRTC_FUNCTIONS(AMK_NVRTC_MEMBER)
#undef AMK_NVRTC_MEMBER
  int major = 0;
  int minor = 0;
};

/// What to hand to dlopen(), best first. $AMK_NVRTC alone where it is set.
std::vector<std::string> nvrtc_candidates();

/// The first of them that is an NVRTC. kUnsupported says where it was looked for.
Result<NvrtcApi> open_nvrtc(const std::vector<std::string>& candidates);

/// open_nvrtc(nvrtc_candidates()), once a process.
Result<const NvrtcApi*> nvrtc_api();

}  // namespace amk::vm::cuda::detail
