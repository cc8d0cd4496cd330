#include "cli/trial_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "search/trial_json.h"

namespace amk::cli {
namespace {

constexpr std::chrono::milliseconds kEvery{200};

}  // namespace

TrialProgress::TrialProgress(const Output& output, const search::MoveOnRules& rules)
    : rules_(rules), wanted_(output.progress_lines() && !output.quiet()) {}

void TrialProgress::tell(const search::Campaign& campaign) {
  ++trials_;
  const Clock::time_point now = Clock::now();
  if (!wanted_ || now < told_ + kEvery) return;
  told_ = now;
  const std::chrono::duration<double> seconds = now - start_;
  const Json step = {{"step", "searching, trial"},
                     {"done", trials_},
                     {"of", rules_.trials},
                     {"seconds", seconds.count()},
                     {"detail", search_words(campaign, rules_, trials_, seconds.count() / 60)}};
  fmt::print(stderr, "{}\n", Json{{"progress", step}}.dump(-1, ' ', false, Json::error_handler_t::replace));
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
