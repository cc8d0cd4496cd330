// The documents and schemas that are made from engine/abi/*.def.
#pragma once

#include <string>
#include <vector>

namespace amk::gen {

struct GeneratedFile {
  std::string path;  ///< from the project's root
  std::string content;
};

/// Every generated file, as it should be.
std::vector<GeneratedFile> generated_files();

}  // namespace amk::gen
