// How a search goes, for --progress-lines: trials so far, the best of them, the rate and the time left.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "cli/progress.h"
#include "search/loop.h"

namespace amk::cli {

class TrialProgress {
 public:
  /// Silent without --progress-lines: on a terminal every trial has a line of its own.
  TrialProgress(const Output& output, const search::MoveOnRules& rules);
  /// To be called after each trial, once the campaign has it.
  void tell(const search::Campaign& campaign);

 private:
  const search::MoveOnRules rules_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  uint32_t trials_ = 0;
  std::optional<Progress> progress_;
};

/// "best 812.30 us (predicted), 1.043 times as fast; 12.5 trials a minute; 3.4 min left". What is left is the least of
/// what the rules leave; nothing is said of it where neither trials nor minutes are bounded.
[[nodiscard]] std::string search_words(const search::Campaign& campaign, const search::MoveOnRules& rules,
                                       uint32_t trials, double minutes);

}  // namespace amk::cli
