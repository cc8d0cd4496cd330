#include "vm/cuda/kernel_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <span>
#include <tuple>
#include <vector>

#include "base/files.h"
#include "base/sha256.h"

namespace amk::vm::cuda {
namespace {

namespace fs = std::filesystem;

// An entry: this line, the checksum's line, then the body: the length of the log in decimal, a newline, the log, the
// cubin. The number is raised when the options of a compilation or this layout change.
constexpr std::string_view kMagic = "amk kernel 1\n";
constexpr size_t kDigestChars = 64;
constexpr uint64_t kEntryBytesMax = 1ULL << 30;
constexpr std::string_view kExtension = ".kernel";

/// What write_file_atomic() leaves beside an entry when its process is killed, and how old it is by then: no write
/// takes that long.
constexpr std::string_view kTemporary = ".kernel.tmp.";
constexpr auto kAbandonedAfter = std::chrono::hours(1);

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

fs::path entry_path(const fs::path& directory, std::string_view key) {
  return directory / (std::string(key) + std::string(kExtension));
}

/// Over the key too: an entry under another's name is no entry.
std::string checksum(std::string_view key, std::string_view body) {
  return sha256_hex(fmt::format("{}\n{}", key, body));
}

/// Each part with its length, so that no two lists of parts give one text.
void add_part(std::string& text, std::string_view part) { text += fmt::format("{}:{}\n", part.size(), part); }

/// Marks an entry as used. Where the cache is another's, or read-only, its own users do.
void touch(const fs::path& entry) {
  std::error_code ignored;
  fs::last_write_time(entry, fs::file_time_type::clock::now(), ignored);
}

struct Entry {
  fs::path path;
  fs::file_time_type used;
  uint64_t bytes = 0;
};

bool is_abandoned(const Entry& entry) {
  return entry.path.filename().string().find(kTemporary) != std::string::npos &&
         entry.used + kAbandonedAfter < fs::file_time_type::clock::now();
}

/// The regular files of a directory, as far as they can be looked at: others may remove them meanwhile.
std::vector<Entry> files_of(const fs::path& directory) {
  std::vector<Entry> files;
  std::error_code error;
  for (fs::directory_iterator at(directory, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    std::error_code gone;
    const bool regular = at->is_regular_file(gone);
    const fs::file_time_type used = gone ? fs::file_time_type() : at->last_write_time(gone);
    const uint64_t bytes = gone ? 0 : at->file_size(gone);
    if (regular && !gone) files.push_back({at->path(), used, bytes});
  }
  return files;
}

std::optional<CompiledKernel> parse_body(std::string_view body) {
  size_t log_size = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), log_size);
  if (error != std::errc() || end == body.data() + body.size() || *end != '\n') return std::nullopt;
  body.remove_prefix(static_cast<size_t>(end - body.data()) + 1);
  if (log_size > body.size()) return std::nullopt;
  CompiledKernel kernel;
  kernel.log = body.substr(0, log_size);
  const auto cubin = std::as_bytes(std::span(body.substr(log_size)));
  kernel.cubin.assign(cubin.begin(), cubin.end());
  return kernel;
}

}  // namespace

fs::path kernel_cache_directory() {
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "amk/kernels";
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache/amk/kernels";
}

std::string kernel_key(const CompileRequest& request, std::string_view nvrtc_version) {
  std::vector<SourceFile> files = request.files;
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.name < b.name; });
  std::string text(kMagic);
  add_part(text, nvrtc_version);
  add_part(text, fmt::format("sm_{}", request.sm));
  add_part(text, request.main);
  add_part(text, fmt::format("{} defines", request.defines.size()));
  for (const std::string& define : request.defines) add_part(text, define);
  for (const SourceFile& file : files) {
    add_part(text, file.name);
    add_part(text, file.text);
  }
  return sha256_hex(text);
}

std::optional<CompiledKernel> read_cached_kernel(const fs::path& directory, std::string_view key) {
  if (directory.empty()) return std::nullopt;
  const Result<std::string> content = read_file(entry_path(directory, key), kEntryBytesMax);
  if (!content.ok()) return std::nullopt;
  std::string_view rest = content.value();
  if (!rest.starts_with(kMagic)) return std::nullopt;
  rest.remove_prefix(kMagic.size());
  if (rest.size() <= kDigestChars || rest[kDigestChars] != '\n') return std::nullopt;
  const std::string_view digest = rest.substr(0, kDigestChars);
  rest.remove_prefix(kDigestChars + 1);
  if (checksum(key, rest) != digest) return std::nullopt;
  touch(entry_path(directory, key));
  return parse_body(rest);
}

Status write_cached_kernel(const fs::path& directory, std::string_view key, const CompiledKernel& kernel,
                           const KernelCacheLimits& limits) {
  if (directory.empty()) return Error{ErrorCode::kIo, "no directory for the kernel cache", "", ""};
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Error{ErrorCode::kIo, "cannot create: " + error.message(), directory.string(), ""};
  std::string body = fmt::format("{}\n{}", kernel.log.size(), kernel.log);
  body.append(reinterpret_cast<const char*>(kernel.cubin.data()), kernel.cubin.size());
  AMK_TRY(write_file_atomic(entry_path(directory, key), fmt::format("{}{}\n{}", kMagic, checksum(key, body), body)));
  prune_kernel_cache(directory, limits);
  return {};
}

void prune_kernel_cache(const fs::path& directory, const KernelCacheLimits& limits) {
  std::vector<Entry> entries;
  std::error_code ignored;
  for (Entry& file : files_of(directory)) {
    if (is_abandoned(file)) {
      fs::remove(file.path, ignored);
    } else if (file.path.extension() == kExtension) {
      entries.push_back(std::move(file));
    }
  }
  // Names decide between equal times, so that processes that prune at once remove the same ones.
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(b.used, b.path) < std::tie(a.used, a.path); });
  uint64_t bytes = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    bytes += entries[i].bytes;
    if (i >= limits.entries || bytes > limits.bytes) fs::remove(entries[i].path, ignored);
  }
}

}  // namespace amk::vm::cuda
