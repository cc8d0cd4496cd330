// The research loop: propose, judge, remember, until a rule says to move on.
//
// It runs in lanes, each a gate on a thread of its own. Proposals are drawn one at a time, while other lanes go on, and
// trials are remembered one at a time, in the order in which they end. All lanes compare with one incumbent: a trial
// that would be kept, but was measured against one that another lane has replaced meanwhile, is judged again from its
// beginning. A trial that is not kept stays as it is, and its reason says what it was compared with. With one lane
// everything is in order, and a run follows from the campaign alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "search/gate.h"
#include "search/halving.h"
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
  /// Trials of one lane in a row whose proposer failed, or that broke the machine: they close the lane, and the run
  /// ends with the last one. So many failures of the proposer in a row, of whatever lanes, end it too.
  uint32_t failures = 3;
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
  uint32_t trials = 0;               ///< of this run
  uint32_t kept = 0;                 ///< of those
  std::vector<std::string> notes{};  ///< lanes that were closed while others went on, and why
};

struct Loop {
  Workspace& workspace;
  History& history;
  Campaign& campaign;
  Gate& gate;  ///< at the campaign's incumbent
  Proposer& proposer;
  MoveOnRules rules;
  const std::atomic<bool>* stop = nullptr;  ///< looked at between trials
  /// Called when a trial is safe on the disk; by one lane at a time.
  std::function<void(const Trial& trial)> on_trial{};
  std::vector<Gate*> more_lanes{};  ///< Gate::beside() of `gate`
  HalvingOptions halving{};         ///< rounds of candidates; off by default
};

/// Runs it; other threads may not use what it is given meanwhile. An Error where the history cannot be written or, with
/// one lane, the incumbent can no longer be run; what was done before is safe.
Result<LoopEnd> run_loop(const Loop& loop);

/// What the corpus says of a trial, one line.
[[nodiscard]] std::string corpus_line(const Campaign& campaign, const Trial& trial);

/// Writes the campaign's last trial to the corpus where it is not there yet: a process that is killed between the two
/// writes leaves it out.
Status mend_corpus(Workspace& workspace, const Campaign& campaign);

}  // namespace amk::search
