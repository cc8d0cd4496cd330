// amk-tidy [ROOT]: holds the tree to the house rules. Exits 0 when it keeps them all, 1 when not, 2 when there is
// nothing to look at.
#include <cstdio>
#include <filesystem>

#include "tidy/rules.h"

int main(int argc, char** argv) {
  using namespace amk::tidy;
  const std::filesystem::path root = argc > 1 ? argv[1] : ".";
  std::string how;
  const Tree tree = load_tree(root, list_files(root, how));
  bool has_engine = false;
  for (const SourceFile& file : tree) has_engine = has_engine || (file.is_cpp() && file.is_in("engine"));
  if (!has_engine) {
    std::fprintf(stderr, "amk-tidy: expected the project's root, found no engine/ in %s\n", root.string().c_str());
    return 2;
  }
  const Findings findings = check_tree(tree);
  for (const Finding& finding : findings) {
    std::printf("%s:%zu: [%s] %s\n", finding.path.c_str(), finding.line, finding.rule.c_str(), finding.message.c_str());
  }
  std::printf("%zu files (%s), %zu findings\n", tree.size(), how.c_str(), findings.size());
  return findings.empty() ? 0 : 1;
}
