// The queue of a workspace: one run at a time, whoever started it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace amk::mcp {

/// The first argument of a process that waits in the queue.
inline constexpr const char* kQueuedArgument = "queued";

/// `amk-mcp queued LOCK MARKER PROGRAM ARGUMENTS...`: writes process.json beside the marker, waits for the lock, makes
/// the marker, becomes the program; ends where there is a file `cancelled` beside the marker. The
/// lock is the system's (flock): the program holds it, and it goes with the process however that ends. Returns only
/// where it cannot become the program.
Error run_queued(const std::vector<std::string>& arguments);

}  // namespace amk::mcp
