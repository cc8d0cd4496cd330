// Compiled kernels on disk: one file each, named by what it was made from.
//
// Owns the format of an entry. An entry is believed only when its name and its content match the checksum inside it; it
// is written beside its place and renamed into it, so processes at the same time see a whole one or none. Anybody who
// may write into the directory may put a kernel there: it is as trusted as the user's other files.
//
// The cache is bounded: every write removes what has not been used for longest. An entry's time of modification is when
// it was last used. Nothing is locked: an entry that another process removes is a miss, and is compiled anew.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// What the cache may grow to.
struct KernelCacheLimits {
  uint64_t bytes = uint64_t{1} << 30;
  size_t entries = 512;
};

/// The entry of that key, which counts as used now; none where it is absent, truncated or altered.
[[nodiscard]] std::optional<CompiledKernel> read_cached_kernel(const std::filesystem::path& directory,
                                                               std::string_view key);

/// Makes the directory where there is none, and keeps the cache within `limits`. kIo where the system refuses, or
/// `directory` is empty.
Status write_cached_kernel(const std::filesystem::path& directory, std::string_view key, const CompiledKernel& kernel,
                           const KernelCacheLimits& limits = {});

/// Removes entries, least recently used first, until the others are within the limits, and what writers that were
/// killed have left behind for an hour or more. Other files are left alone; what cannot be removed stays.
void prune_kernel_cache(const std::filesystem::path& directory, const KernelCacheLimits& limits = {});

}  // namespace amk::vm::cuda
