// The command line of amk-mcp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace amk::mcp {

struct Options {
  bool help = false;
  bool version = false;
  bool read_only = false;
  bool stdio = false;  ///< asked for by name; it is the default
  bool http = false;
  std::string host = "127.0.0.1";
  uint16_t port = 8330;    ///< 0: any that is free
  std::string token_file;  ///< empty: none
  std::vector<std::string> allowed_origins;
  std::vector<std::string> tools;           ///< empty: all
  std::vector<std::string> excluded_tools;  ///< of those
  std::string workspace;                    ///< empty: where default_workspace() says
  std::string log_file;                     ///< empty: none
};

/// kUsage for what is no option, with the nearest name, and for options that do not go together.
Result<Options> parse_options(const std::vector<std::string>& arguments);

[[nodiscard]] std::string help_text();

/// $AMK_HOME; else .amk in the working directory, where that is not the root of the file system and can be written;
/// else .amk in the home directory. kIo where there is none of them.
Result<std::string> default_workspace();

}  // namespace amk::mcp
