// The command line of amk-mcp.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace amk::mcp {

struct Options {
  bool help = false;
  bool version = false;
  bool read_only = false;
  std::vector<std::string> tools;  ///< empty: all
  std::string workspace;           ///< empty: where default_workspace() says
  std::string log_file;            ///< empty: none
};

/// kUsage for what is no option, with the nearest name.
Result<Options> parse_options(const std::vector<std::string>& arguments);

[[nodiscard]] std::string help_text();

/// $AMK_HOME; else .amk in the working directory, where that is not the root of the file system and can be written;
/// else .amk in the home directory.
[[nodiscard]] std::string default_workspace();

}  // namespace amk::mcp
