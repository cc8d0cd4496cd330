// A file's identity without reading it: to see that it has changed.
#pragma once

#include <filesystem>
#include <string>

namespace amk::mcp {

/// Its path, size and time of change; "PATH none" where there is none.
[[nodiscard]] std::string stamp_of(const std::filesystem::path& path);

}  // namespace amk::mcp
