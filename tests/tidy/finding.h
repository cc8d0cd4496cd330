// A place where the tree breaks a house rule.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace amk::tidy {

/// One broken rule. `line` counts from 1; 0 is the file as a whole.
struct Finding {
  std::string path;
  size_t line = 0;
  std::string rule;
  std::string message;
};

using Findings = std::vector<Finding>;

}  // namespace amk::tidy
