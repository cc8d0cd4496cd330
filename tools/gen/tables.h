// The documents and schemas that are made from engine/abi/*.def and mcp/tools.
#pragma once

#include <string>
#include <vector>

namespace amk::gen {

struct GeneratedFile {
  std::string path;  ///< from the project's root
  std::string content;
};

/// docs/tables/mcp-tools.md: what amk-mcp offers.
[[nodiscard]] std::string mcp_tools();

/// Every generated file, as it should be.
std::vector<GeneratedFile> generated_files();

}  // namespace amk::gen
