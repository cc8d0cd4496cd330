// Where a library of CUDA's is looked for: by name, in toolkits, among python packages. Internal to vm/cuda.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amk::vm::cuda::detail {

struct WantedLibrary {
  const char* variable = nullptr;                ///< of the environment: names the library outright
  std::vector<std::string_view> names;           ///< file names, best first
  std::vector<std::string_view> python_folders;  ///< below site-packages: "nvidia/cublas/lib"
};

/// What to hand to dlopen(), best first: what the variable names, alone, where it is set; else the names alone (the
/// loader's own search), then those files that are there under $CUDA_HOME, $CUDA_PATH, /usr/local/cuda and in the
/// packages of active python environments, of $PATH's pythons, ~/.local and /usr/local.
[[nodiscard]] std::vector<std::string> library_candidates(const WantedLibrary& wanted);

}  // namespace amk::vm::cuda::detail
