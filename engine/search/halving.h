// Successive halving: a round of candidates goes through cheap measurements before expensive ones.
//
// The first rung ranks all of them by prediction, which takes no device; a quarter goes on. Those are built, verified
// and timed against the incumbent for a few paired blocks, and half of them goes on, to twice the blocks, until one is
// left: it goes to the whole decision of the gate, by blocks of its own. What the rungs measured chose it, and so would
// flatter it. Rungs never keep anything, and nothing is timed that is not verified. With predictions there is nothing
// between the first rung and the decision.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "search/gate.h"

namespace amk::search {

struct HalvingOptions {
  uint32_t candidates = 0;     ///< a round; 0 and 1: every candidate goes to the decision
  uint32_t first_blocks = 10;  ///< paired blocks of the first rung that measures; twice as many in each further one
};

/// Told each trial that ends before the decision; false ends the round.
using OnLeft = std::function<bool(const Trial& trial)>;

/// How many rungs a round of so many candidates has, the decision included.
[[nodiscard]] uint32_t rungs_of(size_t candidates, eval::LatencyKind kind);

/// One round. The trial that came to the decision, which has the number 0; nullopt where none did. Of programs that do
/// not fit beside each other (Gate::room()) the worst is unloaded, and loaded and verified again if it goes on. Errors
/// as Gate::decide().
Result<std::optional<Trial>> judge_round(Gate& gate, const std::vector<Proposal>& proposals,
                                         const HalvingOptions& options, const OnLeft& on_left);

}  // namespace amk::search
