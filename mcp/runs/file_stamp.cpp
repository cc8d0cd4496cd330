#include "mcp/runs/file_stamp.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace amk::mcp {

std::string stamp_of(const std::filesystem::path& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return path.string() + " none";
  return fmt::format("{} {} {}.{}", path.string(), facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

}  // namespace amk::mcp
