// Files: whole reads with a bound, read-only mappings, and writes that are either there in full or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk {

/// The whole of a regular file, refused with kBadInput above `limit_bytes` and with kIo where it cannot be read.
Result<std::string> read_file(const std::filesystem::path& path, uint64_t limit_bytes);

/// Writes `content` to a temporary beside `path`, fsyncs it and renames it over `path`: a reader, or a crash at any
/// instant, sees the old file or the new one.
Status write_file_atomic(const std::filesystem::path& path, std::string_view content);

/// Moves a finished directory `from` over `to` in one rename (RENAME_EXCHANGE where `to` exists, the old one then
/// removed). Both must be on one file system.
Status replace_directory(const std::filesystem::path& from, const std::filesystem::path& to);

/// A read-only private mapping of a regular file. Movable; unmaps on destruction. An empty file maps to an empty span.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace amk
