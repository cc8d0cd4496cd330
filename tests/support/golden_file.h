// A text compared with the file that holds what it should be.
#pragma once

#include <string>

namespace amk::test {

/// Whether `found` is what `path` (from the root of the project) holds. With AMK_REBLESS set in the environment, writes
/// it there instead.
bool is_golden(const std::string& path, const std::string& found);

}  // namespace amk::test
