// Several campaigns as one piece of work: how each stands, and which one a trial is best spent on next.
//
// Pure functions of a plan and of campaigns as the history has them: nothing here is remembered between two calls, so
// that what is killed goes on with the same answers. A plan never judges or keeps a schedule; the gate does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "search/history.h"
#include "search/loop.h"

namespace amk::search {

/// An end that the campaign's trials alone do not show: nothing is left to try, or its runs fail.
struct PlannedEnd {
  MoveOn rule = MoveOn::kExhausted;
  std::string why;
  uint32_t trials = 0;  ///< of the campaign, when it came

  bool operator==(const PlannedEnd&) const = default;
};

/// A campaign of a plan: what it is about, by the names of the command line. What it found is the history's.
struct PlannedCampaign {
  std::string campaign;            ///< its name in the history
  std::string model;               ///< as it was named
  std::string weights = "stored";  ///< as --weights
  std::string target;              ///< as --gpu, never "auto"
  std::string kv_dtype = "f32";
  std::string device = "cpu";  ///< "cpu": latencies are predicted; "cuda": measured
  uint32_t context = 0;        ///< 0: the model's default
  uint32_t position = 0;
  uint64_t seed = 1;
  std::optional<PlannedEnd> ended;

  bool operator==(const PlannedCampaign&) const = default;
};

/// A run of autoresearch gave trials to a campaign; the last one is kept for `status`.
struct Slice {
  std::string campaign;
  uint32_t trials = 0;
  uint32_t kept = 0;
  MoveOn ended_by = MoveOn::kTrials;
  std::string why;

  bool operator==(const Slice&) const = default;
};

struct Plan {
  std::string name;
  int64_t made = 0;           ///< seconds since 1970
  uint32_t reverts_max = 60;  ///< as MoveOnRules has them; 0: off
  double pct_of_floor = 95;
  double speedup = 0;
  uint32_t slices = 0;  ///< that were given so far
  std::optional<Slice> last;
  std::vector<PlannedCampaign> campaigns;

  bool operator==(const Plan&) const = default;
  /// Of a slice, without bounds on trials and minutes.
  [[nodiscard]] MoveOnRules rules() const;
};

/// How a campaign of a plan stands. Shares are of the incumbent's latency.
struct Standing {
  const PlannedCampaign* planned = nullptr;
  const Campaign* campaign = nullptr;  ///< null: not begun or not to be read, and then nothing below is known
  std::string unreadable;              ///< why its history cannot be read; empty where it can
  std::optional<Settled> moved_on;     ///< by which rule; none while it is worked on
  uint32_t kept = 0;
  uint32_t reverts = 0;      ///< trials at its end without a keep
  double speedup = 1;        ///< over its start
  double headroom = 0;       ///< 1 - floor / latency: what a perfect schedule would win
  double won_per_trial = 0;  ///< what a trial has won of late, or is taken to win where there were few
  double patience = 1;       ///< halves every kPatienceTrials trials without a keep
  double expected_gain = 0;  ///< of the next trial: min(headroom, won_per_trial) x patience
};

inline constexpr uint32_t kLately = 32;          ///< trials that say what a trial wins
inline constexpr uint32_t kPriorTrials = 8;      ///< made-up trials that won half of the headroom together
inline constexpr uint32_t kPatienceTrials = 16;  ///< without a keep, after which half as much is expected

/// One for each campaign of the plan, in its order. `campaigns` likewise; nullptr where one has not begun. Both must
/// outlive what is returned.
[[nodiscard]] std::vector<Standing> standings(const Plan& plan, std::span<const Campaign* const> campaigns);

/// The index of the campaign to work on: the first that has not begun, else the one with the largest expected gain, the
/// first of equals; nullopt where all have moved on.
[[nodiscard]] std::optional<size_t> next_campaign(std::span<const Standing> standings);

/// Why: one sentence with its numbers.
[[nodiscard]] std::string why_next(const Standing& standing);

/// "not begun", "in work", "moved on, RULE: why" or "unreadable: why".
[[nodiscard]] std::string state_text(const Standing& standing);

}  // namespace amk::search
