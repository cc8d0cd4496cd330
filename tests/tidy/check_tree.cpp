#include <algorithm>
#include <tuple>

#include "tidy/rules.h"

namespace amk::tidy {

Findings check_tree(const Tree& tree) {
  Findings findings;
  std::string_view exceptions;
  const auto add = [&findings](Findings more) {
    findings.insert(findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  for (const SourceFile& file : tree) {
    add(check_includes(file));
    add(check_text(file));
    add(check_code(file));
    if (file.path == kExceptionsPath) exceptions = file.text;
  }
  add(check_sizes(tree, exceptions, kExceptionsPath));
  add(check_build_lists(tree));
  std::sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.path, a.line, a.rule, a.message) < std::tie(b.path, b.line, b.rule, b.message);
  });
  return findings;
}

}  // namespace amk::tidy
