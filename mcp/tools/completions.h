// What a person may mean who has typed the beginning of a model's name, a target's or a run's.
#pragma once

#include <filesystem>
#include <vector>

#include "mcp/core/resource.h"
#include "mcp/runs/run_store.h"

namespace amk::mcp {

/// The checkpoints in a folder: itself, or those right below it, by name; at most 200.
[[nodiscard]] std::vector<std::filesystem::path> checkpoint_folders(const std::filesystem::path& folder);

/// Built-in models, and the checkpoints of models/ in the working directory.
[[nodiscard]] Complete complete_model();
/// GPUs that programs are compiled for, "auto" and "none".
[[nodiscard]] Complete complete_target();
/// The newest first. `store` outlives it.
[[nodiscard]] Complete complete_run_id(const RunStore& store);

}  // namespace amk::mcp
