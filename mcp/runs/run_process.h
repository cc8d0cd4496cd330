// The process of a run, as its folder has it: process.json.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"

namespace amk::mcp {

/// Says in the run's folder that it is that process, and when that was started, since numbers come again.
Status write_process(const std::filesystem::path& folder, int pid);

/// The process of a run, where it is alive.
[[nodiscard]] std::optional<int> living_process(const std::filesystem::path& folder);

}  // namespace amk::mcp
