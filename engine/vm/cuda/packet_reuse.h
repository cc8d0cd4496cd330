// Whether pages may still be shared once packets stand in for counters.
//
// A counter's edge says that all of one task comes before all of another. A packet's says less: the waiter may have
// begun, and a split of attention without positions waits for no packet at all. So the question that page allocation
// asked of counters, whether everything that touches one activation is over before another is written at its place, is
// asked again here of the edges that are left.
#pragma once

#include <vector>

#include "schedule/program.h"

namespace amk::vm::cuda {

/// By buffer: whether its page has bytes in common with another's.
[[nodiscard]] std::vector<bool> shared_pages(const schedule::Program& program);

/// What is left of a program's order under packets.
struct PacketOrder {
  const std::vector<bool>& realised;        ///< by wait, all tasks' waits one after another: no counter is polled
  const std::vector<uint32_t>& first_wait;  ///< by task: index of its first wait
  const std::vector<bool>& maybe_empty;     ///< by task: a split that may find no positions, and then does nothing
};

/// Whether of any two activations whose pages overlap one is done with before the other is written, in every execution
/// that `order` allows. A waiter of a realised edge whose own page is shared has had those packets before it first
/// writes. False also where the question would take too much memory.
[[nodiscard]] bool reuse_is_ordered(const schedule::Program& program, const PacketOrder& order);

}  // namespace amk::vm::cuda
