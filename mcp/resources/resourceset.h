// Every resource, one file a kind.
#pragma once

#include <vector>

#include "mcp/core/resource.h"
#include "mcp/runs/run_store.h"

namespace amk::mcp {

[[nodiscard]] std::vector<Resource> document_resources();
/// Templates by a run's id. `store` outlives them.
[[nodiscard]] std::vector<Resource> run_resources(RunStore& store);

/// All of them, in the order in which they are listed.
[[nodiscard]] std::vector<Resource> all_resources(RunStore& store);

}  // namespace amk::mcp
