// What of the megakernel a program needs, and its compilation.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "abi/build_knob.h"
#include "base/result.h"
#include "validator/validator.h"
#include "vm/cuda/nvrtc.h"

namespace amk::vm::cuda {

/// Values of the build knobs, in the order of instruction_knob.def.
using BuildKnobs = std::array<uint32_t, abi::kBuildKnobCount>;
[[nodiscard]] BuildKnobs build_knobs(const schedule::ScheduleConfig& config);

/// The constants of one build (instructions/device/build.cuh).
struct KernelSpec {
  schedule::Launch launch;
  BuildKnobs knobs = build_knobs({});
  uint32_t opcodes = 0;  ///< bit by code
  uint32_t formats = 0;  ///< bit by WeightFormat
  uint32_t columns_max = 0;
  uint32_t head_dim = 2;
  uint32_t group = 1;
  abi::Dtype kv_dtype = abi::Dtype::kF32;
  bool caches = false;  ///< whether the program has any
  bool trace = false;
  std::vector<std::string> extra_defines;  ///< of tests that break the kernel on purpose
};

inline constexpr const char* kKernelName = "amk_megakernel";

/// kUnsupported where the program's heads or caches are not all alike: a build has one kind.
Result<KernelSpec> kernel_spec(const schedule::Program& program);

/// The build that `whole` needs, for a program that is a part of it: both then run the very same kernel. kUsage where
/// that build lacks something that `part` needs, or is for another launch or other knobs.
Result<KernelSpec> spec_of_whole(const KernelSpec& part, const KernelSpec& whole);

/// NVRTC's input for a build: sources, defines.
[[nodiscard]] CompileRequest compile_request(const KernelSpec& spec, uint32_t sm);

}  // namespace amk::vm::cuda
