// The documents that travel inside the program, so that it serves them wherever it runs.
#pragma once

#include <span>
#include <string_view>

namespace amk::mcp {

/// A file of docs/, as it was when the program was built.
struct Document {
  std::string_view path;  ///< below docs/: "safety.md"
  std::string_view text;
};

/// Those of mcp/CMakeLists.txt.
[[nodiscard]] std::span<const Document> documents();

}  // namespace amk::mcp
