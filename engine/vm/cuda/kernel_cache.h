// Compiled kernels on disk: one file each, named by what it was made from.
//
// Owns the format of an entry. An entry is believed only when its name and its content match the checksum inside it; it
// is written beside its place and renamed into it, so processes at the same time see a whole one or none. Anybody who
// may write into the directory may put a kernel there: it is as trusted as the user's other files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "vm/cuda/nvrtc.h"

namespace amk::vm::cuda {

/// $XDG_CACHE_HOME/amk/kernels, else ~/.cache/amk/kernels; empty where neither variable is set.
[[nodiscard]] std::filesystem::path kernel_cache_directory();

/// SHA-256, in hex, of all that decides what a compilation gives. The order of the files does not count, that of the
/// defines does.
[[nodiscard]] std::string kernel_key(const CompileRequest& request, std::string_view nvrtc_version);

/// The entry of that key; none where it is absent, truncated or altered.
[[nodiscard]] std::optional<CompiledKernel> read_cached_kernel(const std::filesystem::path& directory,
                                                               std::string_view key);

/// Makes the directory where there is none. kIo where the system refuses, or `directory` is empty.
Status write_cached_kernel(const std::filesystem::path& directory, std::string_view key, const CompiledKernel& kernel);

}  // namespace amk::vm::cuda
