// What a campaign's trials say, beyond which was kept: effects of single knobs, reasons, and how good the ranking was.
//
// Pure functions of a campaign. They look back and decide nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics.h"
#include "search/history.h"

namespace amk::search {

/// A knob's value as trials found it that turned this knob alone, from whatever the incumbent was then.
struct KnobEffect {
  std::string knob;
  std::string value;  ///< as JSON
  uint32_t trials = 0;
  uint32_t kept = 0;
  eval::Estimate ratio;  ///< to the incumbent: the median of the trials; from the lowest of their bounds to the highest
};

/// In the order of knob.def, each knob's values from the fastest. Trials without a latency are in none.
[[nodiscard]] std::vector<KnobEffect> knob_effects(const Campaign& campaign);

/// Trials that failed, or did not win, for the same reason. Numbers in a reason do not tell two apart.
struct ReasonGroup {
  Outcome outcome = Outcome::kReverted;
  std::string reason;  ///< with '#' for numbers
  uint32_t trials = 0;
  std::vector<uint32_t> examples;  ///< numbers of the first few trials
};

/// The most frequent first; trials that were kept are in none.
[[nodiscard]] std::vector<ReasonGroup> reasons_against(const Campaign& campaign);

/// The trial that gave the incumbent its value of a knob; 0 where it is the start's.
[[nodiscard]] uint32_t turned_by(const Campaign& campaign, const std::string& knob);

}  // namespace amk::search
