#include "search/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

constexpr size_t kNoteBytesMax = 1000;

/// A gate at work. Everything but the gate is under the run's lock.
struct Lane {
  Gate& gate;
  size_t index = 0;       ///< counted from 1
  uint32_t failures = 0;  ///< in a row
  bool closed = false;
  std::string last_failure{};
  std::vector<Proposal> in_flight{};  ///< of the campaign's, those that this lane drew
};

class Run {
 public:
  explicit Run(const Loop& loop) : loop_(loop) {
    lanes_.push_back({loop.gate, 1});
    for (Gate* gate : loop.more_lanes) lanes_.push_back({*gate, lanes_.size() + 1});
    open_lanes_ = lanes_.size();
  }

  Result<LoopEnd> to_the_end() {
    std::vector<std::thread> threads;
    for (size_t i = 1; i < lanes_.size(); ++i) threads.emplace_back([this, i] { run_lane(lanes_[i]); });
    run_lane(lanes_.front());
    for (std::thread& thread : threads) thread.join();
    loop_.campaign.in_flight.clear();
    if (error_) return *error_;
    return end_;
  }

 private:
  // ---- a lane; the lock is held but while its gate is at work -------------------------------------------------------

  /// An exception is an error of the run: beside other lanes it must not leave the thread.
  void run_lane(Lane& lane) noexcept {
    try {
      work(lane);
    } catch (const std::exception& problem) {
      const Lock lock(mutex_);
      if (!error_) error_ = Error{ErrorCode::kInternal, std::string("unexpected exception: ") + problem.what(), "", ""};
      changed_.notify_all();
    }
  }

  void work(Lane& lane) {
    Lock lock(mutex_);
    while (!lane.closed) {
      const uint32_t told_of = loop_.campaign.incumbent.trial;
      std::vector<Proposal> round = draw(lane, lock);
      if (round.empty()) return;
      if (loop_.campaign.incumbent.trial != told_of) tell_anew(lane, round);
      const Status judged = judge(lane, round, lock);
      for (const Proposal& proposal : round) land(lane, proposal);
      if (!judged) close(lane, judged.error());
      changed_.notify_all();
    }
  }

  /// The next candidates, which are in flight from here on; none where the lane is closed or the run is over. Where
  /// nothing is left to try, it waits for what is in flight: a keep opens new ways.
  std::vector<Proposal> draw(Lane& lane, Lock& lock) {
    std::vector<Proposal> out;
    const size_t wanted = std::max<size_t>(loop_.halving.candidates, 1);
    while (!lane.closed && !ended() && out.size() < wanted) {
      if (asking_) {
        changed_.wait(lock);
        continue;
      }
      if (all_drawn()) {
        if (!out.empty()) break;
        changed_.wait(lock);
        continue;
      }
      const Stand stand = stand_now();
      Result<std::optional<Proposal>> next = ask(lock);
      if (ended()) break;
      if (next && !*next && stand != stand_now()) continue;  // what ended meanwhile may have opened new ways
      if (!next) {
        proposer_failed(lane, next.error());
      } else if (*next) {
        loop_.campaign.in_flight.push_back(**next);
        lane.in_flight.push_back(**next);
        out.push_back(std::move(**next));
      } else if (!out.empty()) {
        break;
      } else if (loop_.campaign.in_flight.empty()) {
        over(MoveOn::kExhausted, "nothing is left to try");
      } else {
        changed_.wait(lock);
      }
    }
    if (!lane.closed && !is_over()) return out;
    for (const Proposal& proposal : out) land(lane, proposal);
    return {};
  }

  /// What a proposer's answer depends on.
  using Stand = std::pair<size_t, size_t>;
  [[nodiscard]] Stand stand_now() const { return {loop_.campaign.trials.size(), loop_.campaign.in_flight.size()}; }

  /// Asks the proposer about the campaign as it stands now, one lane at a time. The others go on meanwhile.
  Result<std::optional<Proposal>> ask(Lock& lock) {
    if (lanes_.size() == 1) return loop_.proposer.next(loop_.campaign);
    struct Asking {
      Run& run;
      Lock& lock;
      Asking(Run& of, Lock& with) : run(of), lock(with) {
        run.asking_ = true;
        lock.unlock();
      }
      ~Asking() {
        lock.lock();
        run.asking_ = false;
        run.changed_.notify_all();
      }
    };
    const Campaign seen = loop_.campaign;
    const Asking asking(*this, lock);
    return loop_.proposer.next(seen);
  }

  /// Tells a round against the present incumbent, where it was drawn against one that has been replaced since.
  void tell_anew(Lane& lane, std::vector<Proposal>& round) {
    const schedule::ScheduleConfig& present = loop_.campaign.incumbent.config;
    for (Proposal& proposal : round) {
      const Proposal before = proposal;
      proposal.change = describe_change(present, proposal.config);
      proposal.knob = only_knob(present, proposal.config);
      // One of them: another lane may have drawn an equal one, and lands it as it drew it.
      for (std::vector<Proposal>* flying : {&lane.in_flight, &loop_.campaign.in_flight}) {
        const auto at = std::ranges::find(*flying, before);
        if (at != flying->end()) *at = proposal;
      }
    }
  }

  /// An error is the gate's: the incumbent is not what it was.
  Status judge(Lane& lane, const std::vector<Proposal>& round, Lock& lock) {
    Incumbent before = loop_.campaign.incumbent;
    lock.unlock();
    lane.gate.adopt(before);
    Result<std::optional<Trial>> decided =
        round.size() == 1 ? judge_one(lane.gate, round.front()) : judge_many(lane, round, before, lock);
    lock.lock();
    if (!decided) return decided.error();
    if (!*decided) return {};
    Trial& trial = **decided;
    AMK_TRY(judge_again_while_stale(lane, trial, before, lock));
    remember(lane, trial, before);
    return {};
  }

  static Result<std::optional<Trial>> judge_one(Gate& gate, const Proposal& proposal) {
    AMK_ASSIGN_OR_RETURN(Trial trial, gate.judge(proposal, 0));
    return std::optional(std::move(trial));
  }

  Result<std::optional<Trial>> judge_many(Lane& lane, const std::vector<Proposal>& round, const Incumbent& before,
                                          Lock& lock) {
    const OnLeft on_left = [&](const Trial& trial) {
      lock.lock();
      remember(lane, trial, before);
      const bool go_on = !lane.closed && !error_;
      lock.unlock();
      return go_on;
    };
    return judge_round(lane.gate, round, loop_.halving, on_left);
  }

  /// A keep counts only against the incumbent that there is when it is written down.
  Status judge_again_while_stale(Lane& lane, Trial& trial, Incumbent& before, Lock& lock) {
    while (trial.outcome == Outcome::kKept && loop_.campaign.incumbent.trial != before.trial) {
      before = loop_.campaign.incumbent;
      const double seconds = trial.seconds;
      lock.unlock();
      lane.gate.adopt(before);
      Result<Trial> again = lane.gate.judge(trial.proposal, 0);
      lock.lock();
      if (!again) return again.error();
      trial = std::move(*again);
      trial.seconds += seconds;
    }
    return {};
  }

  // ---- under the lock -----------------------------------------------------------------------------------------------

  /// Takes it out of flight where the lane still has it there: another lane may have drawn an equal one.
  void land(Lane& lane, const Proposal& proposal) {
    const auto take_one = [&](std::vector<Proposal>& flying) {
      const auto at = std::ranges::find(flying, proposal);
      if (at == flying.end()) return false;
      flying.erase(at);
      return true;
    };
    if (take_one(lane.in_flight)) take_one(loop_.campaign.in_flight);
  }

  void proposer_failed(Lane& lane, const Error& error) {
    Trial trial;
    trial.proposal = {loop_.campaign.incumbent.config, "no candidate", "", "command", ""};
    trial.outcome = Outcome::kRefused;
    trial.reason = "the proposer failed: " + error.text();
    write(trial);
    ++proposer_failures_;
    failed(lane, trial.reason);
    if (loop_.rules.failures != 0 && proposer_failures_ >= loop_.rules.failures)
      over(MoveOn::kFailures, fmt::format("{} failures in a row", proposer_failures_));
  }

  /// A trial that has ended; `before` is what it was compared with.
  void remember(Lane& lane, Trial trial, const Incumbent& before) {
    land(lane, trial.proposal);
    const uint32_t present = loop_.campaign.incumbent.trial;
    if (before.trial != present && trial.measurement)
      trial.reason += fmt::format("; compared with trial {}, which trial {} has replaced since", before.trial, present);
    write(trial);
    proposer_failures_ = 0;
    if (trial.outcome == Outcome::kKept) lane.gate.adopt(loop_.campaign.incumbent);
    if (trial.outcome == Outcome::kBroken) {
      failed(lane, trial.reason);
    } else {
      lane.failures = 0;
    }
    changed_.notify_all();
  }

  /// The history first: it is what a campaign resumes from.
  void write(Trial& trial) {
    trial.number = static_cast<uint32_t>(loop_.campaign.trials.size() + 1);
    // Of proposers, workers and compilers, who may write any bytes.
    trial.reason = plain_text(trial.reason);
    trial.proposal.note = plain_text(trial.proposal.note.substr(0, kNoteBytesMax));
    Status written = error_ ? Status(*error_) : loop_.history.append(loop_.campaign, trial);
    if (written) written = loop_.workspace.append_to_corpus(corpus_line(loop_.campaign, trial));
    if (!written) {
      error_ = written.error();
      return;
    }
    ++end_.trials;
    end_.kept += trial.outcome == Outcome::kKept ? 1 : 0;
    if (loop_.on_trial) loop_.on_trial(trial);
  }

  void failed(Lane& lane, const std::string& reason) {
    ++lane.failures;
    if (loop_.rules.failures == 0 || lane.failures < loop_.rules.failures) return;
    close(lane, fmt::format("{} failures in a row", lane.failures), reason);
  }

  /// What a lane that cannot go on means: with one lane, the error; otherwise a lane less.
  void close(Lane& lane, const Error& error) {
    if (lanes_.size() == 1) {
      error_ = error_ ? error_ : error;
      return;
    }
    close(lane, "its incumbent no longer runs there", error.text());
  }

  void close(Lane& lane, const std::string& why, const std::string& last) {
    if (lane.closed) return;
    lane.closed = true;
    --open_lanes_;
    if (lanes_.size() > 1) {
      end_.notes.push_back(fmt::format("lane {} of {} was closed: {}: {}", lane.index, lanes_.size(), why, last));
    }
    if (open_lanes_ == 0)
      over(MoveOn::kFailures, lanes_.size() == 1 ? why : fmt::format("no lane is left of {}", lanes_.size()));
    changed_.notify_all();
  }

  /// As many trials as the run may have are done or in flight.
  [[nodiscard]] bool all_drawn() const {
    return loop_.rules.trials != 0 && end_.trials + loop_.campaign.in_flight.size() >= loop_.rules.trials;
  }

  [[nodiscard]] bool is_over() const { return over_ || error_.has_value(); }

  /// Looks at the rules before a candidate is drawn.
  bool ended() {
    if (is_over()) return true;
    const MoveOnRules& rules = loop_.rules;
    const Campaign& campaign = loop_.campaign;
    const double minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - begin_).count();
    const std::optional<Settled> settled = settled_by(campaign, rules);
    if (loop_.stop != nullptr && *loop_.stop) return over(MoveOn::kInterrupted, "asked to stop");
    if (settled && settled->rule != MoveOn::kReverts) return over(settled->rule, settled->why);
    if (rules.trials != 0 && end_.trials >= rules.trials)
      return over(MoveOn::kTrials, fmt::format("{} trials", end_.trials));
    if (rules.minutes != 0 && minutes >= rules.minutes)
      return over(MoveOn::kMinutes, fmt::format("{:.1f} minutes", minutes));
    return settled && over(settled->rule, settled->why);
  }

  bool over(MoveOn rule, std::string why) {
    if (!over_) end_.rule = rule;
    if (!over_) end_.why = std::move(why);
    over_ = true;
    changed_.notify_all();
    return true;
  }

  const Loop& loop_;
  const Clock::time_point begin_ = Clock::now();
  std::mutex mutex_;
  std::condition_variable changed_;  ///< a trial has ended, a lane was closed, or the run is over
  std::vector<Lane> lanes_;
  size_t open_lanes_ = 0;
  bool asking_ = false;             ///< some lane waits for the proposer
  uint32_t proposer_failures_ = 0;  ///< in a row
  bool over_ = false;
  LoopEnd end_;
  std::optional<Error> error_;
};

}  // namespace

uint32_t reverts_in_a_row(const Campaign& campaign) {
  uint32_t out = 0;
  for (auto trial = campaign.trials.rbegin(); trial != campaign.trials.rend() && trial->outcome != Outcome::kKept;
       ++trial)
    ++out;
  return out;
}

std::optional<Settled> settled_by(const Campaign& campaign, const MoveOnRules& rules) {
  const double pct = 100 * campaign.incumbent.floor_us / campaign.incumbent.latency_us;
  const double speedup = speedup_of(campaign);
  const uint32_t reverts = reverts_in_a_row(campaign);
  if (rules.pct_of_floor != 0 && pct >= rules.pct_of_floor)
    return Settled{MoveOn::kNearFloor, fmt::format("the incumbent is at {:.1f}% of the floor", pct)};
  if (rules.speedup != 0 && speedup >= rules.speedup)
    return Settled{MoveOn::kSpeedup, fmt::format("{:.2f} times as fast as the start", speedup)};
  if (rules.reverts != 0 && reverts >= rules.reverts)
    return Settled{MoveOn::kReverts, fmt::format("{} trials in a row without a keep", reverts)};
  return std::nullopt;
}

Result<LoopEnd> run_loop(const Loop& loop) { return Run(loop).to_the_end(); }

}  // namespace amk::search
