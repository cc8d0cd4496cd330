// Where a program on the GPU stopped.
#pragma once

#include <cstdint>
#include <string>

namespace amk::ipc {

/// A wait that did not end, or a task that found itself broken.
struct Fault {
  uint32_t task = 0;
  std::string label;       ///< of the task
  uint32_t sm = 0;         ///< the multiprocessor it ran on
  uint32_t counter = 0;    ///< what it waited for
  uint64_t value = 0;      ///< of the counter, when it gave up
  uint64_t threshold = 0;  ///< that it waited for
  double waited_ms = 0;

  bool operator==(const Fault&) const = default;
};

}  // namespace amk::ipc
