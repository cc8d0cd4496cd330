// The device code, as text inside the binary: every file that the megakernel includes.
#pragma once

#include <span>

#include "vm/cuda/nvrtc.h"

namespace amk::vm::cuda {

/// All *.cuh and *.cu of engine/instructions and engine/vm/cuda, and the headers and tables of engine/abi, each under
/// the name by which it is included. Made by the build from the files themselves.
[[nodiscard]] std::span<const SourceFile> kernel_sources();

}  // namespace amk::vm::cuda
