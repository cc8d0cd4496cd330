#include "tidy/tree.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

namespace amk::tidy {
namespace {

namespace fs = std::filesystem;

std::string quoted_for_shell(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The names that a `git ls-files -z` command prints; nothing when git is not there or this is no checkout.
std::optional<std::vector<std::string>> git_names(const fs::path& root, const std::string& arguments) {
  // The tree may belong to another user, as in a container: reading names from it is harmless.
  const std::string command =
      "git -C " + quoted_for_shell(root.string()) + " -c safe.directory='*' ls-files -z " + arguments + " 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  std::array<char, 4096> buffer{};
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), count);
  if (pclose(pipe) != 0) return std::nullopt;
  std::vector<std::string> names;
  for (size_t at = 0; at < output.size();) {
    const size_t end = output.find('\0', at);
    names.push_back(output.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

std::vector<std::string> walk(const fs::path& root) {
  constexpr std::string_view kNotOurs[] = {".git", "build", ".amk", ".cache"};
  std::vector<std::string> names;
  for (auto entry = fs::recursive_directory_iterator(root); entry != fs::recursive_directory_iterator(); ++entry) {
    const std::string name = entry->path().lexically_relative(root).generic_string();
    if (std::find(std::begin(kNotOurs), std::end(kNotOurs), name) != std::end(kNotOurs)) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      names.push_back(name);
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> list_files(const fs::path& root, std::string& how) {
  std::vector<std::string> names;
  if (auto tracked = git_names(root, ""); tracked && !tracked->empty()) {
    how = "listed by git";
    names = std::move(*tracked);
    // A new file breaks a rule from the moment it is written, not from `git add` on.
    const auto fresh = git_names(root, "--others --exclude-standard -- engine cli mcp worker tests tools cmake");
    if (fresh) names.insert(names.end(), fresh->begin(), fresh->end());
  } else {
    how = "found by walking the folders";
    names = walk(root);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Tree load_tree(const fs::path& root, const std::vector<std::string>& paths) {
  Tree tree;
  for (const std::string& path : paths) {
    std::ifstream in(root / path, std::ios::binary);
    if (!in || !fs::is_regular_file(root / path)) continue;
    tree.emplace_back(path, std::string(std::istreambuf_iterator<char>(in), {}));
  }
  return tree;
}

}  // namespace amk::tidy
