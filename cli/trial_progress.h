// How a search goes, for --progress-lines: trials so far, the best of them, the rate and the time left. On a terminal
// every trial has a line of its own instead.
//
// A line as those of cli/progress.h, after a trial and at most five a second, with "detail": more about the step.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/output.h"
#include "search/loop.h"

namespace amk::cli {

class TrialProgress {
 public:
  /// Silent without --progress-lines.
  TrialProgress(const Output& output, const search::MoveOnRules& rules);
  /// To be called after each trial, once the campaign has it.
  void tell(const search::Campaign& campaign);

 private:
  const search::MoveOnRules rules_;
  using Clock = std::chrono::steady_clock;
  const bool wanted_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point told_{};
  uint32_t trials_ = 0;
};

/// "best 812.30 us (predicted), 1.043 times as fast; 12.5 trials a minute; 3.4 min left". What is left is the least of
/// what the rules leave; nothing is said of it where neither trials nor minutes are bounded.
[[nodiscard]] std::string search_words(const search::Campaign& campaign, const search::MoveOnRules& rules,
                                       uint32_t trials, double minutes);

}  // namespace amk::cli
