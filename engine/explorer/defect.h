// What can be wrong with a program, as the explorer says it: never how to find it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace amk::explorer {

/// One kind of flaw. kUnlawful is what no interleaving shows: the program breaks the IR's own form.
enum class Flaw : uint8_t {
  kUnlawful,       ///< docs/ir-spec.md forbids it, whatever happens when it runs
  kDeadlock,       ///< some interleaving stops: tasks wait for one another
  kNeverFinished,  ///< some interleaving stops: a wait asks for more than its counter's tasks can add
  kUnwritten,      ///< a byte is read that no task ordered before has written
  kStale,          ///< a byte is read that was last written through another buffer
  kTorn,           ///< a byte is read while it is written, or neither of the two is ordered before the other
  kWriteWrite,     ///< two tasks write a byte, neither ordered before the other
  kOutput,         ///< every queue is empty, and a byte of an output or of the current KV position is unwritten
};
inline constexpr uint32_t kFlawCount = 8;
[[nodiscard]] const char* flaw_name(Flaw flaw);

/// A step of an interleaving: `task` started, or finished.
struct Event {
  TaskId task;
  bool finished = false;

  bool operator==(const Event&) const = default;
};

/// One flaw, and the interleaving that leads to it.
struct Defect {
  Flaw flaw = Flaw::kUnlawful;
  std::string what;           ///< kUnlawful: the sentence of docs/ir-spec.md that is broken; otherwise empty
  std::vector<TaskId> tasks;  ///< the one at fault first
  BufferId buffer;            ///< invalid where memory has no part in it
  uint64_t begin = 0;         ///< bytes of `buffer`
  uint64_t end = 0;
  std::vector<Event> trace;  ///< what had happened before
};

/// "torn: tasks 3, 1; buffer 4 bytes 0..128; after +0 -0 +1" (+ starts, - finishes).
[[nodiscard]] std::string describe(const Defect& defect);

}  // namespace amk::explorer
