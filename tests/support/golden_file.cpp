#include "support/golden_file.h"

#include <cstdlib>

#include "base/files.h"

namespace amk::test {

bool is_golden(const std::string& path, const std::string& found) {
  if (std::getenv("AMK_REBLESS") != nullptr) return write_file_atomic(path, found).ok();
  const Result<std::string> expected = read_file(path, 1 << 20);
  return expected.ok() && *expected == found;
}

}  // namespace amk::test
