// NVRTC, opened at run time: CUDA C++ to a cubin for a named architecture, with or without a GPU.
//
// libnvrtc.so.13 or .12 is looked for by the loader, under $CUDA_HOME, $CUDA_PATH and /usr/local/cuda, and beside the
// pip packages of a python environment (nvidia/cu13/lib, nvidia/cuda_nvrtc/lib under sys.prefix); $AMK_NVRTC names it
// outright. (NVRTC documentation, "nvrtcCompileProgram", "nvrtcGetCUBIN".)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::vm::cuda {

/// One file of the kernel's sources, as #include names it ("instructions/device/ring.cuh").
struct SourceFile {
  std::string_view name;
  std::string_view text;
};

struct CompileRequest {
  std::string_view main;             ///< name of the file that is compiled
  std::vector<SourceFile> files;     ///< every file that it includes, itself too
  uint32_t sm = 0;                   ///< compute capability x 10: 90 is sm_90 (never sm_90a)
  std::vector<std::string> defines;  ///< "NAME=VALUE"
};

struct CompiledKernel {
  std::vector<std::byte> cubin;
  std::string log;  ///< warnings and the resource report; may be empty
};

/// "13.0", or why there is no NVRTC here (kUnsupported).
Result<std::string> nvrtc_version();

/// Compiles, always from the sources. Options: --gpu-architecture=sm_XX, -std=c++20, -default-device, the defines.
/// <stdint.h> and <stddef.h> are ours where `files` has none: NVRTC has no standard library.
/// kUnsupported where there is no NVRTC or it does not know the architecture; kInternal where the sources do not
/// compile: the message holds NVRTC's log.
Result<CompiledKernel> compile(const CompileRequest& request);

/// As compile(), through the cache ($XDG_CACHE_HOME/amk/kernels, ~/.cache/amk/kernels), keyed by the content of every
/// file, the architecture, the defines and NVRTC's version. A broken or unwritable cache costs a compilation, no more.
Result<CompiledKernel> compile_cached(const CompileRequest& request);

}  // namespace amk::vm::cuda
