#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "search/loop.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kCorpusBytesMax = uint64_t{4} << 30;

/// One line of the corpus. It begins with the campaign, when it was begun, and the trial, by which it is found again.
std::string corpus_key(const Campaign& campaign, uint32_t trial) {
  const Json key = {{"campaign", campaign.name}, {"begun", campaign.begun}, {"trial", trial}};
  std::string text = key.dump();
  text.back() = ',';
  return text;
}

std::string corpus_line(const Campaign& campaign, const Trial& trial) {
  Json line = {{"about", to_json(campaign.header)}};
  line.update(to_json(trial));
  line.erase("trial");
  return corpus_key(campaign, trial.number) + line.dump().substr(1);
}

class Run {
 public:
  explicit Run(const Loop& loop) : loop_(loop) {}

  Result<LoopEnd> to_the_end() {
    while (!ended()) {
      Result<std::optional<Proposal>> proposal = loop_.proposer.next(loop_.campaign);
      if (proposal.ok() && !*proposal) return end(MoveOn::kExhausted, "nothing is left to try");
      const auto number = static_cast<uint32_t>(loop_.campaign.trials.size() + 1);
      if (!proposal) {
        AMK_TRY(remember(failed_proposal(proposal.error(), number)));
        ++failures_;
        continue;
      }
      AMK_ASSIGN_OR_RETURN(const Trial trial, loop_.gate.judge(**proposal, number));
      failures_ = trial.outcome == Outcome::kBroken ? failures_ + 1 : 0;
      AMK_TRY(remember(trial));
    }
    return end_;
  }

 private:
  [[nodiscard]] Trial failed_proposal(const Error& error, uint32_t number) const {
    Trial out;
    out.number = number;
    out.proposal = {loop_.campaign.incumbent.config, "no candidate", "", "command", ""};
    out.outcome = Outcome::kRefused;
    out.reason = "the proposer failed: " + error.text();
    return out;
  }

  /// The history first: it is what a campaign resumes from.
  Status remember(const Trial& trial) {
    AMK_TRY(loop_.history.append(loop_.campaign, trial));
    AMK_TRY(loop_.workspace.append_to_corpus(corpus_line(loop_.campaign, trial)));
    ++end_.trials;
    end_.kept += trial.outcome == Outcome::kKept ? 1 : 0;
    if (loop_.on_trial) loop_.on_trial(trial);
    return {};
  }

  LoopEnd end(MoveOn rule, std::string why) {
    end_.rule = rule;
    end_.why = std::move(why);
    return end_;
  }

  bool ended() {
    const MoveOnRules& rules = loop_.rules;
    const Campaign& campaign = loop_.campaign;
    const double minutes = std::chrono::duration<double, std::ratio<60>>(Clock::now() - begin_).count();
    const std::optional<Settled> settled = settled_by(campaign, rules);
    if (loop_.stop != nullptr && *loop_.stop) return over(MoveOn::kInterrupted, "asked to stop");
    if (rules.failures != 0 && failures_ >= rules.failures)
      return over(MoveOn::kFailures, fmt::format("{} failures in a row", failures_));
    if (settled && settled->rule != MoveOn::kReverts) return over(settled->rule, settled->why);
    if (rules.trials != 0 && end_.trials >= rules.trials)
      return over(MoveOn::kTrials, fmt::format("{} trials", end_.trials));
    if (rules.minutes != 0 && minutes >= rules.minutes)
      return over(MoveOn::kMinutes, fmt::format("{:.1f} minutes", minutes));
    return settled && over(settled->rule, settled->why);
  }

  bool over(MoveOn rule, std::string why) {
    end(rule, std::move(why));
    return true;
  }

  const Loop& loop_;
  Clock::time_point begin_ = Clock::now();
  LoopEnd end_;
  uint32_t failures_ = 0;
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

Status mend_corpus(Workspace& workspace, const Campaign& campaign) {
  if (campaign.trials.empty()) return {};
  const Trial& last = campaign.trials.back();
  std::error_code ignored;
  if (std::filesystem::exists(workspace.corpus(), ignored)) {
    AMK_ASSIGN_OR_RETURN(const std::string text, read_file(workspace.corpus(), kCorpusBytesMax));
    if (text.find(corpus_key(campaign, last.number)) != std::string::npos) return {};
  }
  return workspace.append_to_corpus(corpus_line(campaign, last));
}

}  // namespace amk::search
