#include "mcp/runs/run_process.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "base/files.h"
#include "mcp/core/json.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBytesMax = 4096;

/// When the process was started, in clock ticks since boot (field 22 of its stat); nullopt where there is none, or only
/// what has not been reaped of it.
std::optional<uint64_t> start_ticks(int pid) {
  const fs::path path = fmt::format("/proc/{}/stat", pid);
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= text.size() || text[name_end + 2] == 'Z') return std::nullopt;
  size_t at = name_end + 2;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  uint64_t ticks = 0;
  std::from_chars(text.data() + at + 1, text.data() + text.size(), ticks);
  return ticks;
}

}  // namespace

Status write_process(const fs::path& folder, int pid) {
  const Json process = {{"pid", pid}, {"start_ticks", start_ticks(pid).value_or(0)}};
  return write_file_atomic(folder / "process.json", to_line(process) + "\n");
}

std::optional<int> living_process(const fs::path& folder) {
  const Result<std::string> text = read_file(folder / "process.json", kBytesMax);
  const Result<Json> process = text ? parse_json(*text) : Result<Json>(text.error());
  if (!process) return std::nullopt;
  const Json& pid = member(*process, "pid");
  const Json& ticks = member(*process, "start_ticks");
  if (!pid.is_number_integer() || !ticks.is_number_integer()) return std::nullopt;
  const std::optional<uint64_t> now = start_ticks(pid.get<int>());
  if (!now || *now != ticks.get<uint64_t>()) return std::nullopt;
  return pid.get<int>();
}

}  // namespace amk::mcp
