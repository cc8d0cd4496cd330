// amk log: what a campaign tried, kept and refused, drawn.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/ranking_json.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "search/history.h"
#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Outcome;
using search::Trial;

/// Kept trials stand on the branch; the others leave it, and come back.
std::string drawn(const Trial& trial) {
  const std::string what =
      fmt::format("{:>4}  {:<9}  {}", trial.number, search::kOutcomeNames[static_cast<size_t>(trial.outcome)],
                  trial.proposal.change);
  if (trial.outcome != Outcome::kKept) return fmt::format("|\\\n| x {}\n|/        {}\n", what, trial.reason);
  return fmt::format("*   {}\n|         {}: {:.2f} us\n", what, trial.reason, trial.measurement->latency_us);
}

std::string heading(const Campaign& campaign) {
  const search::CampaignHeader& about = campaign.header;
  return fmt::format(
      "campaign {}: {} for {}, weights {}, KV caches {}, context {}, position {}, seed {}\n"
      "every latency is {}, every output computed on {}\n\n",
      campaign.name, about.model_name, about.target, about.weights, about.kv_dtype, about.context, about.position,
      about.seed, search::latency_kind_text(about.kind), about.device);
}

std::string story(const Campaign& campaign) {
  std::string out = heading(campaign) + fmt::format("*      0  start      schedule {}: {:.2f} us\n",
                                                    campaign.start.schedule_id, campaign.start.latency_us);
  for (const Trial& trial : campaign.trials) out += drawn(trial);
  out += fmt::format(
      "\nincumbent: schedule {} of trial {}, {:.2f} us, {:.3f} times as fast as the start, floor {:.2f} us\n",
      campaign.incumbent.schedule_id, campaign.incumbent.trial, campaign.incumbent.latency_us,
      search::speedup_of(campaign), campaign.incumbent.floor_us);
  out += fmt::format("order:     {}\n", ranking_text(search::rank_quality(campaign.trials)));
  return out +
         fmt::format("changed:   {}\n", search::describe_change(campaign.start.config, campaign.incumbent.config));
}

Json document(const Campaign& campaign) {
  Json trials = Json::array();
  for (const Trial& trial : campaign.trials) trials.push_back(to_json(trial));
  return {{"campaign", campaign.name},
          {"about", to_json(campaign.header)},
          {"commit", campaign.tip},
          {"begun", campaign.begun},
          {"start", to_json(campaign.start)},
          {"incumbent", to_json(campaign.incumbent)},
          {"speedup", json_number(search::speedup_of(campaign))},
          {"ranking", ranking_json(search::rank_quality(campaign.trials))},
          {"trials", std::move(trials)}};
}

Result<Campaign> read_campaign(const search::History& history, const std::string& name) {
  AMK_ASSIGN_OR_RETURN(std::optional<Campaign> found, history.read(name));
  if (found) return std::move(*found);
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> names, history.names());
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of the campaigns {}, found '{}'", fmt::join(names, ", "), name), "--campaign",
               ""};
}

/// One that cannot be read hides no other.
void list(const search::History& history, const std::vector<std::string>& names, Output& output) {
  Table table({{"campaign"},
               {"trials", Align::kRight},
               {"incumbent us", Align::kRight},
               {"latencies"},
               {"x start", Align::kRight}});
  Json json = Json::array();
  for (const std::string& name : names) {
    const Result<Campaign> read = read_campaign(history, name);
    if (!read) {
      output.note(fmt::format("{} is passed over: {}", name, read.error().text()));
      continue;
    }
    const Campaign& campaign = *read;
    table.add({name, std::to_string(campaign.trials.size()), fmt::format("{:.2f}", campaign.incumbent.latency_us),
               search::latency_kind_text(campaign.header.kind), fmt::format("{:.3f}", search::speedup_of(campaign))});
    Json one = document(campaign);
    one.erase("trials");
    one["trial_count"] = campaign.trials.size();
    json.push_back(std::move(one));
  }
  if (output.json()) output.document(json);
  output.text(table.text());
}

}  // namespace

Result<Exit> log(const LogOptions& options, Output& output) {
  AMK_ASSIGN_OR_RETURN(const search::History history,
                       search::History::open_to_read(search::workspace_directory(options.workspace)));
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> names, history.names());
  if (options.campaign.empty() && names.size() != 1) {
    list(history, names, output);
    return Exit::kDone;
  }
  AMK_ASSIGN_OR_RETURN(const Campaign campaign,
                       read_campaign(history, options.campaign.empty() ? names.front() : options.campaign));
  if (output.json()) output.document(document(campaign));
  output.text(story(campaign));
  return Exit::kDone;
}

}  // namespace amk::cli
