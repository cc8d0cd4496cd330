// Progress on a terminal: one line on stderr, shown once something has taken a second, gone when it is over.
//
// With --progress-lines instead, whether or not stderr is a terminal, lines that a program reads, at most five a
// second:
//   {"progress":{"step":"comparing with the oracle","done":3,"of":16}}     "of" 0: nobody knows
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cli/output.h"

namespace amk::cli {

class Progress {
 public:
  /// Silent with --quiet, and without --progress-lines where stderr is no terminal.
  explicit Progress(const Output& output);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// What is being done, how much of how much of it; `of` = 0 when nobody knows. Thread-safe.
  void step(std::string_view what, uint32_t done = 0, uint32_t of = 0);
  /// Clears the line and shows nothing more: before anything else is written to the terminal.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;  ///< empty when silent
};

}  // namespace amk::cli
