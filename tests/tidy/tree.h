// The files of the project, read into memory.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "tidy/source.h"

namespace amk::tidy {

using Tree = std::deque<SourceFile>;

/// The paths, from `root`, of the files that are ours, sorted: in a git checkout the tracked ones and new ones in the
/// code folders; elsewhere every file outside the build folder and hidden tool folders. `how` is set to which it was.
std::vector<std::string> list_files(const std::filesystem::path& root, std::string& how);

/// Reads them. A file that is listed but cannot be read is left out: git lists what was deleted but not yet committed.
Tree load_tree(const std::filesystem::path& root, const std::vector<std::string>& paths);

}  // namespace amk::tidy
