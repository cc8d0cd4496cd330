// One kind of instruction of a program, alone: a program of its own that is timed while that instruction is tuned.
//
// Its tasks are the whole program's, of every layer, with the same parameters, on the same SMs and with the same
// launch; a layer's begin when those of the layer before are done, as they do there. What they read is made by a few
// tasks of the whole program beforehand. Nothing here is trusted: the validator judges the program like any other.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "schedule/lowering.h"
#include "schedule/program.h"

namespace amk::schedule {

struct Isolated {
  Program program;
  std::vector<BufferId> results;  ///< what the kept tasks write: activations, outputs and KV caches
  uint32_t kept = 0;              ///< tasks of the instruction; the others make what those read
  uint32_t levels = 0;            ///< groups of kept tasks that run one after another
};

/// `whole` is what lower(request) gave; `opcodes` has a bit for each code that is kept. kUsage where the program has
/// none of them, kUnsupported as lower().
Result<Isolated> isolate(const LowerRequest& request, const Program& whole, uint32_t opcodes);

}  // namespace amk::schedule
