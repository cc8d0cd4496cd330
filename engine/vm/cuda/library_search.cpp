#include "vm/cuda/library_search.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace amk::vm::cuda::detail {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The library in `folder` by each of its names, where it is there.
void add_from(const fs::path& folder, const WantedLibrary& wanted, std::vector<std::string>& out) {
  for (const std::string_view name : wanted.names) {
    std::error_code ignored;
    const std::string path = (folder / name).string();
    if (fs::exists(path, ignored) && std::find(out.begin(), out.end(), path) == out.end()) out.push_back(path);
  }
}

/// The toolkit installed under `root`.
void add_toolkit(const fs::path& root, const WantedLibrary& wanted, std::vector<std::string>& out) {
  if (root.empty()) return;
  add_from(root / "lib64", wanted, out);
  add_from(root / "lib", wanted, out);
}

/// The pip packages of the python whose sys.prefix is `prefix`.
void add_python(const fs::path& prefix, const WantedLibrary& wanted, std::vector<std::string>& out) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(prefix / "lib", ignored)) {
    if (!entry.path().filename().string().starts_with("python3")) continue;
    for (const char* packages : {"site-packages", "dist-packages"}) {
      for (const std::string_view folder : wanted.python_folders)
        add_from(entry.path() / packages / folder, wanted, out);
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

std::vector<std::string> library_candidates(const WantedLibrary& wanted) {
  if (const std::string named = variable(wanted.variable); !named.empty()) return {named};
  std::vector<std::string> out(wanted.names.begin(), wanted.names.end());
  add_toolkit(variable("CUDA_HOME"), wanted, out);
  add_toolkit(variable("CUDA_PATH"), wanted, out);
  add_toolkit("/usr/local/cuda", wanted, out);
  for (const fs::path& prefix : python_prefixes()) add_python(prefix, wanted, out);
  return out;
}

}  // namespace amk::vm::cuda::detail
