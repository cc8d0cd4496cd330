#include "cli/trial_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "search/trial_json.h"

namespace amk::cli {

TrialProgress::TrialProgress(const Output& output, const search::MoveOnRules& rules) : rules_(rules) {
  if (!output.progress_lines()) return;
  progress_.emplace(output);
  progress_->step("searching, trial", 0, rules_.trials);
}

void TrialProgress::tell(const search::Campaign& campaign) {
  if (!progress_) return;
  ++trials_;
  const std::chrono::duration<double, std::ratio<60>> minutes = std::chrono::steady_clock::now() - start_;
  progress_->step("searching, trial", trials_, rules_.trials, search_words(campaign, rules_, trials_, minutes.count()));
}

std::string search_words(const search::Campaign& campaign, const search::MoveOnRules& rules, uint32_t trials,
                         double minutes) {
  std::string out = fmt::format("best {:.2f} us ({}), {:.3f} times as fast", campaign.incumbent.latency_us,
                                search::latency_kind_text(campaign.header.kind), search::speedup_of(campaign));
  if (minutes <= 0 || trials == 0) return out;
  const double rate = trials / minutes;
  out += fmt::format("; {:.1f} trials a minute", rate);
  double left = std::numeric_limits<double>::infinity();
  if (rules.trials > 0) left = (rules.trials - std::min(trials, rules.trials)) / rate;
  if (rules.minutes > 0) left = std::min(left, std::max(0.0, rules.minutes - minutes));
  return left < 1e9 ? out + fmt::format("; {:.1f} min left", left) : out;
}

}  // namespace amk::cli
