// --log-file: each message that comes or goes, a line each. For people who debug a client.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::mcp {

class LogFile {
 public:
  /// None is written.
  LogFile() = default;
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  /// Appends to the file, which only its owner may read: messages may hold prompts. kIo where it cannot be written.
  static Result<std::unique_ptr<LogFile>> open(const std::string& path);

  /// `direction`: "in", "out" or "note". Thread-safe; long text is cut, and line breaks become "\n".
  void write(std::string_view direction, std::string_view text);

 private:
  int fd_ = -1;
};

}  // namespace amk::mcp
