// NVRTC's input for a baseline's kernels: one file that includes nothing of ours, so that a rival shares no code with
// what it is measured against.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "vm/cuda/kernel_sources.h"
#include "vm/cuda/nvrtc.h"

namespace amk::vm::cuda {

inline CompileRequest baseline_request(std::string_view main, uint32_t sm, std::vector<std::string> defines) {
  CompileRequest request{main, {}, sm, std::move(defines)};
  for (const SourceFile& file : kernel_sources()) {
    if (file.name == main) request.files.push_back(file);
  }
  AMK_ASSERT(request.files.size() == 1, std::string(main));
  return request;
}

}  // namespace amk::vm::cuda
