#include <set>

#include "tidy/rules.h"

namespace amk::tidy {
namespace {

std::string_view folder_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string joined(std::string_view folder, std::string_view name) {
  return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

// `word` of the CMakeLists.txt in `folder`, as a path from the root.
std::string path_meant(std::string_view folder, std::string_view word) {
  constexpr std::string_view kHere = "${CMAKE_CURRENT_SOURCE_DIR}/";
  constexpr std::string_view kRoot = "${PROJECT_SOURCE_DIR}/";
  if (word.starts_with(kRoot)) return std::string(word.substr(kRoot.size()));
  if (word.starts_with(kHere)) word.remove_prefix(kHere.size());
  while (word.starts_with("../")) {
    word.remove_prefix(3);
    folder = folder_of(folder);
  }
  return joined(folder, word);
}

void add_listed(const SourceFile& file, std::set<std::string>& listed) {
  for (std::string_view line : file.lines) {
    line = line.substr(0, line.find('#'));
    while (!line.empty()) {
      const size_t end = std::min(line.find_first_of(" \t();\""), line.size());
      if (end > 0) listed.insert(path_meant(folder_of(file.path), line.substr(0, end)));
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }
}

}  // namespace

Findings check_build_lists(const Tree& tree) {
  std::set<std::string> listed;
  for (const SourceFile& file : tree) {
    if (file.kind == FileKind::kCmake) add_listed(file, listed);
  }
  Findings findings;
  for (const SourceFile& file : tree) {
    // Device code is compiled at run time and has no list.
    if (!file.path.ends_with(".cpp") || listed.contains(file.path)) continue;
    findings.push_back({file.path, 0, "dead-source", "expected it in a CMakeLists.txt, found it in none"});
  }
  return findings;
}

}  // namespace amk::tidy
