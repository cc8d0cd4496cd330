#include "vm/cuda/nvrtc_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace amk::vm::cuda::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The library in `folder` by both names, where it is there.
void add_from(const fs::path& folder, std::vector<std::string>& out) {
  for (const std::string_view name : kNames) {
    std::error_code ignored;
    const std::string path = (folder / name).string();
    if (fs::exists(path, ignored) && std::find(out.begin(), out.end(), path) == out.end()) out.push_back(path);
  }
}

/// The toolkit installed under `root`.
void add_toolkit(const fs::path& root, std::vector<std::string>& out) {
  if (root.empty()) return;
  add_from(root / "lib64", out);
  add_from(root / "lib", out);
}

/// The pip packages of the python whose sys.prefix is `prefix`.
void add_python(const fs::path& prefix, std::vector<std::string>& out) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(prefix / "lib", ignored)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    for (const char* packages : {"site-packages", "dist-packages"}) {
      add_from(entry.path() / packages / "nvidia/cu13/lib", out);
      add_from(entry.path() / packages / "nvidia/cuda_nvrtc/lib", out);
    }
  }
}

/// sys.prefix of every python there may be: the active environment's, then those of $PATH.
std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> out;
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string value = variable(name); !value.empty()) out.emplace_back(value);
  }
  const std::string path = variable("PATH");
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    const fs::path folder = path.substr(at, end - at);
    std::error_code ignored;
    if (folder.is_absolute() && fs::exists(folder / "python3", ignored)) out.push_back(folder.parent_path());
    at = end + 1;
  }
  if (const std::string home = variable("HOME"); !home.empty()) out.push_back(fs::path(home) / ".local");
  out.emplace_back("/usr/local");
  return out;
}

}  // namespace

std::vector<std::string> nvrtc_candidates() {
  if (const std::string named = variable("AMK_NVRTC"); !named.empty()) return {named};
  std::vector<std::string> out(std::begin(kNames), std::end(kNames));
  add_toolkit(variable("CUDA_HOME"), out);
  add_toolkit(variable("CUDA_PATH"), out);
  add_toolkit("/usr/local/cuda", out);
  for (const fs::path& prefix : python_prefixes()) add_python(prefix, out);
  return out;
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
