// The research loop: propose, judge, remember, until a rule says to move on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "search/gate.h"
#include "search/history.h"
#include "search/proposer.h"
#include "search/workspace.h"

namespace amk::search {

/// When a run of the loop ends. 0 turns a rule off.
struct MoveOnRules {
  uint32_t trials = 0;       ///< of this run
  double minutes = 0;        ///< of this run; the trial that is running is finished
  uint32_t reverts = 60;     ///< trials in a row without a keep
  double pct_of_floor = 95;  ///< 100 x floor / latency of the incumbent
  double speedup = 0;        ///< of the incumbent over the start
  uint32_t failures = 3;     ///< trials in a row whose proposer failed, or that broke the machine
};

/// What ended a run.
enum class MoveOn : uint8_t {
  kTrials,
  kMinutes,
  kReverts,
  kNearFloor,
  kSpeedup,
  kFailures,
  kExhausted,    ///< the proposer has nothing left
  kInterrupted,  ///< somebody asked it to stop
};
inline constexpr const char* kMoveOnNames[] = {"trials",  "minutes",  "reverts-in-a-row", "near-the-floor",
                                               "speedup", "failures", "exhausted",        "interrupted"};

/// A rule that looks at nothing but a campaign, and what it found there.
struct Settled {
  MoveOn rule = MoveOn::kReverts;
  std::string why;
};

/// Which rule has had enough of the campaign as it stands: near the floor, then fast enough, then reverts in a row.
[[nodiscard]] std::optional<Settled> settled_by(const Campaign& campaign, const MoveOnRules& rules);

/// Trials at its end without a keep.
[[nodiscard]] uint32_t reverts_in_a_row(const Campaign& campaign);

/// The rule's name and what it found: "reverts-in-a-row: 60 trials without a keep".
struct LoopEnd {
  MoveOn rule = MoveOn::kTrials;
  std::string why;
  uint32_t trials = 0;  ///< of this run
  uint32_t kept = 0;    ///< of those
};

struct Loop {
  Workspace& workspace;
  History& history;
  Campaign& campaign;
  Gate& gate;  ///< at the campaign's incumbent
  Proposer& proposer;
  MoveOnRules rules;
  const std::atomic<bool>* stop = nullptr;             ///< looked at between trials
  std::function<void(const Trial& trial)> on_trial{};  ///< called when a trial is safe on the disk
};

/// Runs it. An Error where the history cannot be written or the incumbent can no longer be run; what was done before is
/// safe.
Result<LoopEnd> run_loop(const Loop& loop);

/// Writes the campaign's last trial to the corpus where it is not there yet: a process that is killed between the two
/// writes leaves it out.
Status mend_corpus(Workspace& workspace, const Campaign& campaign);

}  // namespace amk::search
