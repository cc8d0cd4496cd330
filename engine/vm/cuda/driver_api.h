// The CUDA driver's functions as pointers, found once in libcuda.so.1. Internal to vm/cuda.
//
// Types are those of cuda.h by size: results and devices are int, handles are pointers, device addresses are 64 bits.
// Names are the symbols of the library, so a function that changed carries its version ("cuMemAlloc_v2").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace amk::vm::cuda::detail {

using CuResult = int;
using CuDevice = int;
using CuHandle = void*;  ///< CUcontext, CUstream, CUmodule, CUfunction, CUevent, CUgraph, CUgraphExec

// CUresult
inline constexpr CuResult kOutOfMemory = 2;
inline constexpr CuResult kNoDevice = 100;

// CUdevice_attribute
inline constexpr int kMultiprocessorCount = 16;
inline constexpr int kL2CacheSize = 38;
inline constexpr int kComputeCapabilityMajor = 75;
inline constexpr int kComputeCapabilityMinor = 76;
inline constexpr int kMaxSharedMemoryPerBlockOptin = 97;

// CUfunction_attribute
inline constexpr int kFunctionMaxThreads = 0;
inline constexpr int kFunctionStaticSmem = 1;
inline constexpr int kFunctionLocalBytes = 3;
inline constexpr int kFunctionRegisters = 4;
inline constexpr int kFunctionMaxDynamicSmem = 8;

inline constexpr unsigned kStreamNonBlocking = 1;   // CU_STREAM_NON_BLOCKING
inline constexpr unsigned kHostAllocPortable = 1;   // CU_MEMHOSTALLOC_PORTABLE
inline constexpr unsigned kHostAllocDeviceMap = 2;  // CU_MEMHOSTALLOC_DEVICEMAP
inline constexpr int kCaptureModeThreadLocal = 1;   // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL

// member, symbol, parameters: one row a function that is used. Source: cuda.h of CUDA 13.0.
#define AMK_CUDA_FUNCTIONS(X)                                                                                   \
  X(init, cuInit, (unsigned))                                                                                   \
  X(driver_version, cuDriverGetVersion, (int*))                                                                 \
  X(error_name, cuGetErrorName, (CuResult, const char**))                                                       \
  X(error_string, cuGetErrorString, (CuResult, const char**))                                                   \
  X(device_count, cuDeviceGetCount, (int*))                                                                     \
  X(device_get, cuDeviceGet, (CuDevice*, int))                                                                  \
  X(device_name, cuDeviceGetName, (char*, int, CuDevice))                                                       \
  X(device_attribute, cuDeviceGetAttribute, (int*, int, CuDevice))                                              \
  X(device_memory, cuDeviceTotalMem_v2, (size_t*, CuDevice))                                                    \
  X(primary_retain, cuDevicePrimaryCtxRetain, (CuHandle*, CuDevice))                                            \
  X(primary_release, cuDevicePrimaryCtxRelease_v2, (CuDevice))                                                  \
  X(set_current, cuCtxSetCurrent, (CuHandle))                                                                   \
  X(stream_create, cuStreamCreate, (CuHandle*, unsigned))                                                       \
  X(stream_destroy, cuStreamDestroy_v2, (CuHandle))                                                             \
  X(stream_synchronize, cuStreamSynchronize, (CuHandle))                                                        \
  X(stream_begin_capture, cuStreamBeginCapture_v2, (CuHandle, int))                                             \
  X(stream_end_capture, cuStreamEndCapture, (CuHandle, CuHandle*))                                              \
  X(graph_instantiate, cuGraphInstantiateWithFlags, (CuHandle*, CuHandle, unsigned long long))                  \
  X(graph_launch, cuGraphLaunch, (CuHandle, CuHandle))                                                          \
  X(graph_destroy, cuGraphDestroy, (CuHandle))                                                                  \
  X(graph_exec_destroy, cuGraphExecDestroy, (CuHandle))                                                         \
  X(memory_info, cuMemGetInfo_v2, (size_t*, size_t*))                                                           \
  X(allocate, cuMemAlloc_v2, (uint64_t*, size_t))                                                               \
  X(free, cuMemFree_v2, (uint64_t))                                                                             \
  X(host_allocate, cuMemHostAlloc, (void**, size_t, unsigned))                                                  \
  X(host_free, cuMemFreeHost, (void*))                                                                          \
  X(host_device_pointer, cuMemHostGetDevicePointer_v2, (uint64_t*, void*, unsigned))                            \
  X(copy_to_device, cuMemcpyHtoDAsync_v2, (uint64_t, const void*, size_t, CuHandle))                            \
  X(copy_to_host, cuMemcpyDtoH_v2, (void*, uint64_t, size_t))                                                   \
  X(copy_to_host_async, cuMemcpyDtoHAsync_v2, (void*, uint64_t, size_t, CuHandle))                              \
  X(set_bytes, cuMemsetD8Async, (uint64_t, unsigned char, size_t, CuHandle))                                    \
  X(set_words, cuMemsetD32Async, (uint64_t, unsigned, size_t, CuHandle))                                        \
  X(module_load, cuModuleLoadData, (CuHandle*, const void*))                                                    \
  X(module_unload, cuModuleUnload, (CuHandle))                                                                  \
  X(module_function, cuModuleGetFunction, (CuHandle*, CuHandle, const char*))                                   \
  X(function_attribute, cuFuncGetAttribute, (int*, int, CuHandle))                                              \
  X(function_set_attribute, cuFuncSetAttribute, (CuHandle, int, int))                                           \
  X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor, (int*, CuHandle, int, size_t))                      \
  X(event_create, cuEventCreate, (CuHandle*, unsigned))                                                         \
  X(event_destroy, cuEventDestroy_v2, (CuHandle))                                                               \
  X(event_record, cuEventRecord, (CuHandle, CuHandle))                                                          \
  X(event_synchronize, cuEventSynchronize, (CuHandle))                                                          \
  X(event_elapsed, cuEventElapsedTime, (float*, CuHandle, CuHandle))                                            \
  X(launch, cuLaunchKernel,                                                                                     \
    (CuHandle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CuHandle, void**, void**)) \
  X(launch_cooperative, cuLaunchCooperativeKernel,                                                              \
    (CuHandle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CuHandle, void**))

/// The functions, and the context that they are called in. A Device has a copy of its own, which what it makes points
/// to.
struct DriverApi {
#define AMK_CUDA_MEMBER(member, symbol, parameters) CuResult(*member) parameters = nullptr;
  AMK_CUDA_FUNCTIONS(AMK_CUDA_MEMBER)
#undef AMK_CUDA_MEMBER
  CuHandle context = nullptr;

  /// Makes the context this thread's, for a call that has nobody to report to.
  void enter() const { set_current(context); }
  /// kInternal with the call, CUDA's name of the failure and its text.
  [[nodiscard]] Status check(CuResult result, std::string_view call) const;
  /// "CUDA_ERROR_OUT_OF_MEMORY: out of memory".
  [[nodiscard]] std::string describe(CuResult result) const;
};

/// The started driver (cuInit), looked for once a process. kUnsupported says what is missing.
Result<const DriverApi*> driver_api();

}  // namespace amk::vm::cuda::detail
