// Whatever the text, the tidy rules end, stay inside it, and keep lines where they were.
#include <cstdint>
#include <cstdlib>

#include "tidy/functions.h"
#include "tidy/rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace amk::tidy;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string code = code_of(text);
  if (code.size() != text.size() || split_lines(code).size() != split_lines(text).size()) std::abort();
  for (const Function& function : find_functions(code)) {
    if (function.last_line < function.first_line || function.last_line > split_lines(text).size()) std::abort();
  }
  Tree tree;
  tree.emplace_back("engine/base/a.h", text);
  tree.emplace_back("CMakeLists.txt", text);
  tree.emplace_back(std::string(kExceptionsPath), text);
  check_tree(tree);
  return 0;
}
