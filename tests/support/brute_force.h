// What the validator proves, decided the long way: for small programs, to compare the two. Shares no code with it.
//
// Nothing is clever here. Every interleaving of a tiny program is run, or every pair of tasks of a larger one looked
// up in the transitive closure of queue order and counter joins; then memory is taken word by word.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "schedule/program.h"

namespace amk::test {

/// What is wrong with a program, the first in this order.
enum class Flaw : uint8_t {
  kNone,
  kJoin,       ///< a wait is not for all the tasks, at least one, that increment its counter
  kDeadlock,   ///< some execution stops before every task has run
  kRace,       ///< two accesses to a word, one of them a write, that no order holds apart
  kUnwritten,  ///< a word is read that no task before has written
  kStale,      ///< a word is read that was last written as part of another buffer
  kOutput,     ///< a word of an output, or of the current row of a KV cache, is never written
};
inline constexpr uint32_t kFlawCount = 7;

/// Tasks that a program may have here.
inline constexpr size_t kBruteTasksMax = 1024;

/// after[b][a]: in every execution task a is done before task b starts.
using After = std::vector<std::bitset<kBruteTasksMax>>;

/// By running every interleaving; false when one of them stops early. At most 8 tasks a queue and 4 queues.
bool explore(const schedule::Program& program, After& after);
/// By transitive closure; false when there is a cycle. Waits must be joins of all producers.
bool close(const schedule::Program& program, After& after);

/// Whether every wait is a join of all its counter's producers, at least one.
bool waits_are_joins(const schedule::Program& program);
/// What is wrong with memory under that order. Ranges and pages must be in bounds, and in words of 4 bytes.
Flaw memory_flaw(const schedule::Program& program, const After& after);

}  // namespace amk::test
