// amk loop: searches for a faster schedule, and keeps what it tried.

#include "search/loop.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/campaign_session.h"
#include "cli/ranking_json.h"
#include "cli/trial_progress.h"
#include "cli/verbs/verbs.h"
#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Trial;

constexpr double kOvernightMinutes = 480;
constexpr uint32_t kDefaultTrials = 50;

/// Who gives a run a time wants that time used: only what is asked for ends it sooner.
search::MoveOnRules rules_of(const LoopOptions& options) {
  search::MoveOnRules out;
  out.minutes = options.overnight ? kOvernightMinutes : options.minutes;
  const bool timed = out.minutes > 0;
  out.trials = options.trials.value_or(timed ? 0 : kDefaultTrials);
  out.reverts = options.reverts_max.value_or(timed ? 0 : out.reverts);
  out.pct_of_floor = options.pct_of_floor.value_or(timed ? 0 : out.pct_of_floor);
  out.speedup = options.speedup;
  if (options.sample) out.reverts = 0, out.pct_of_floor = 0, out.speedup = 0;  // nothing is searched for
  return out;
}

Json document(const Campaign& campaign, const search::LoopEnd& end, uint32_t workers,
              const std::vector<std::string>& notes) {
  Json tried = Json::array();
  for (size_t i = campaign.trials.size() - end.trials; i < campaign.trials.size(); ++i)
    tried.push_back(to_json(campaign.trials[i]));
  const Json about = to_json(campaign.header);
  return {{"campaign", campaign.name},
          {"about", about},
          {"latency_kind", about["latency_kind"]},
          {"ended_by", search::kMoveOnNames[static_cast<size_t>(end.rule)]},
          {"why", end.why},
          {"trials", end.trials},
          {"kept", end.kept},
          {"workers", workers},
          {"start", to_json(campaign.start)},
          {"incumbent", to_json(campaign.incumbent)},
          {"speedup", json_number(search::speedup_of(campaign))},
          {"ranking", ranking_json(search::rank_quality(campaign.trials))},
          {"tried", std::move(tried)},
          {"notes", notes}};
}

/// "ranking   prior 0.80, cost model 0.47: rank correlation with what came of 100 trials"; empty where there is none.
std::string ranking_line(const search::RankQuality& of) {
  if (!of.cost_model) return "";
  return fmt::format("ranking   {}cost model {:.2f}: rank correlation with what came of {} trials\n",
                     of.prior ? fmt::format("prior {:.2f}, ", *of.prior) : "", *of.cost_model, of.trials);
}

std::string summary(const Campaign& campaign, const search::LoopEnd& end) {
  const char* kind = search::latency_kind_text(campaign.header.kind);
  return fmt::format(
      "\nended by {}: {}\n{} trials, {} kept\nstart     {:.2f} us ({})\nincumbent {:.2f} us ({}), {:.3f} times as "
      "fast, "
      "floor {:.2f} us\nchanged   {}\n{}",
      search::kMoveOnNames[static_cast<size_t>(end.rule)], end.why, end.trials, end.kept, campaign.start.latency_us,
      kind, campaign.incumbent.latency_us, kind, search::speedup_of(campaign), campaign.incumbent.floor_us,
      search::describe_change(campaign.start.config, campaign.incumbent.config),
      campaign.header.kind == eval::LatencyKind::kMeasuredGpu ? ranking_line(search::rank_quality(campaign.trials))
                                                              : "");
}

}  // namespace

Result<Exit> loop(const LoopOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(CampaignSetting setting, prepare_campaign(options));
  std::vector<std::string> notes;
  AMK_ASSIGN_OR_RETURN(Desk desk, open_desk(options.workspace, notes));
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<CampaignSession> session,
                       CampaignSession::open(std::move(setting), desk, output));
  const StopOnInterrupt guard;
  TrialProgress trials(output, rules_of(options));
  const auto tell = [&](const Trial& trial) {
    static_cast<void>(output.stream(trial_line(trial)));
    trials.tell(session->campaign());
  };
  AMK_ASSIGN_OR_RETURN(const search::LoopEnd end, session->run(rules_of(options), StopOnInterrupt::asked(), tell));
  notes.insert(notes.begin(), session->notes().begin(), session->notes().end());
  notes.insert(notes.end(), end.notes.begin(), end.notes.end());
  if (output.json()) output.document(document(session->campaign(), end, options.workers, notes));
  output.text(summary(session->campaign(), end));
  for (const std::string& note : notes) output.note(note);
  return Exit::kDone;
}

}  // namespace amk::cli
