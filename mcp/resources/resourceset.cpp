#include "mcp/resources/resourceset.h"

#include <utility>

namespace amk::mcp {

std::vector<Resource> all_resources(RunStore& store) {
  std::vector<Resource> out = document_resources();
  for (Resource& one : run_resources(store)) out.push_back(std::move(one));
  return out;
}

}  // namespace amk::mcp
