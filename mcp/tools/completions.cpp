#include "mcp/tools/completions.h"

#include <algorithm>
#include <string>

#include "abi/tables.h"
#include "mcp/core/prompt.h"
#include "model/checkpoint.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFoldersMax = 200;
constexpr size_t kRunsMax = 1000;

}  // namespace

std::vector<fs::path> checkpoint_folders(const fs::path& folder) {
  std::error_code problem;
  if (fs::exists(folder / "config.json", problem)) return {folder};
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, problem)) {
    if (out.size() < kFoldersMax && fs::exists(entry.path() / "config.json", problem)) out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

Complete complete_model() {
  return [](const std::string& typed) {
    std::vector<std::string> all;
    for (const std::string_view name : model::builtin_models()) all.emplace_back(name);
    for (const fs::path& path : checkpoint_folders("models")) all.push_back(path.string());
    return matching(all, typed);
  };
}

Complete complete_target() {
  return [](const std::string& typed) {
    std::vector<std::string> all = {"auto", "none"};
    for (const abi::TargetInfo& target : abi::kTargets) all.emplace_back(target.name);
    return matching(all, typed);
  };
}

Complete complete_run_id(const RunStore& store) {
  return [&store](const std::string& typed) { return matching(store.ids(kRunsMax), typed); };
}

}  // namespace amk::mcp
