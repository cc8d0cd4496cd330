// amk orchestrate: several campaigns as one plan.

#include "search/orchestrate.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "cli/plan_session.h"
#include "cli/table.h"
#include "cli/verbs/verbs.h"
#include "schedule/schedule_config_json.h"
#include "search/search_space.h"
#include "search/trial_json.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Standing;

constexpr uint32_t kTrialsAdvised = 16;
constexpr size_t kShownMax = 32;  ///< of a value, in a table for people
constexpr uint64_t kScheduleBytesMax = 64ULL << 20;

/// The plan and its campaigns, to look at: without the lock.
Result<std::unique_ptr<PlanView>> view_of(const OrchestrateOptions& options, const std::filesystem::path& workspace) {
  AMK_ASSIGN_OR_RETURN(search::Plan plan, existing_plan(options.plan.plan, workspace));
  std::error_code ignored;
  if (!std::filesystem::exists(workspace / "history", ignored)) return look_at_plan(std::move(plan), nullptr);
  AMK_ASSIGN_OR_RETURN(const search::History history, search::History::open_to_read(workspace));
  return look_at_plan(std::move(plan), &history);
}

Json view_json(const PlanView& view) {
  Json campaigns = Json::array();
  for (const Standing& one : view.standings) campaigns.push_back(standing_json(one));
  const auto& last = view.plan.last;
  return {{"plan", view.plan.name},
          {"slices", view.plan.slices},
          {"last", last ? Json{{"campaign", last->campaign},
                               {"trials", last->trials},
                               {"kept", last->kept},
                               {"ended_by", search::kMoveOnNames[static_cast<size_t>(last->ended_by)]},
                               {"why", last->why}}
                        : Json(nullptr)},
          {"campaigns", std::move(campaigns)}};
}

Exit show(const PlanView& view, Output& output) {
  if (output.json()) output.document(view_json(view));
  output.text(standings_text(view));
  return Exit::kDone;
}

Result<Exit> make_plan(const OrchestrateOptions& options, Output& output) {
  std::vector<std::string> notes;
  AMK_ASSIGN_OR_RETURN(const Desk desk, open_desk(options.plan.workspace, notes));
  AMK_ASSIGN_OR_RETURN(search::Plan plan,
                       make_or_extend(options.plan, search::workspace_directory(options.plan.workspace)));
  const std::unique_ptr<PlanView> view = look_at_plan(std::move(plan), &desk.history);
  for (const std::string& note : notes) output.note(note);
  return show(*view, output);
}

// ---- next -----------------------------------------------------------------------------------------------------------

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-_./:=,") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string loop_command(const search::PlannedCampaign& of, const std::filesystem::path& workspace) {
  return fmt::format(
      "amk loop {} --gpu {} --context {} --kv-dtype {}{}{} --device {} --seed {} --campaign {} "
      "--workspace {} --trials {}",
      quoted(of.model), of.target, of.context, of.kv_dtype, of.weights == "stored" ? "" : " --weights " + of.weights,
      of.position == 0 ? "" : fmt::format(" --position {}", of.position), of.device, of.seed, quoted(of.campaign),
      quoted(workspace.string()), kTrialsAdvised);
}

/// Knobs against the largest loss, then those against the bottleneck where it is another.
Json knobs_json(const Campaign& campaign, const BottleneckFound& found) {
  const std::vector<search::Knob> knobs = search::search_space(campaign.incumbent.config);
  Json out = Json::array();
  const auto add = [&](eval::Bottleneck loss) {
    for (const search::Addressing& one : search::knobs_against(knobs, loss)) {
      Json values = Json::array();
      for (const std::string& value : one.knob->neighbours) values.push_back(Json::parse(value));
      out.push_back({{"knob", one.knob->path},
                     {"addresses", eval::bottleneck_name(loss)},
                     {"how", one.how},
                     {"present", Json::parse(one.knob->present)},
                     {"neighbours", std::move(values)}});
    }
  };
  add(found.largest_loss);
  if (found.bottleneck != found.largest_loss) add(found.bottleneck);
  return out;
}

Json advice_json(const PlanView& view, size_t index, const std::optional<BottleneckFound>& found,
                 const std::filesystem::path& workspace) {
  const Standing& standing = view.standings[index];
  const search::PlannedCampaign& planned = *standing.planned;
  Json out = {{"plan", view.plan.name},
              {"campaign", planned.campaign},
              {"why", search::why_next(standing)},
              {"standing", standing_json(standing)},
              {"bottleneck", nullptr},
              {"knobs", Json::array()}};
  if (found) {
    out["bottleneck"] = {{"source", found->source},
                         {"bottleneck", eval::bottleneck_name(found->bottleneck)},
                         {"largest_loss", eval::bottleneck_name(found->largest_loss)},
                         {"text", found->text}};
    out["knobs"] = knobs_json(*standing.campaign, *found);
  }
  out["command"] = loop_command(planned, workspace);
  out["record_command"] =
      standing.campaign == nullptr
          ? Json(nullptr)
          : Json(fmt::format("amk orchestrate record --campaign {} --workspace {} --schedule '{{\"KNOB\": VALUE}}' "
                             "--note WHY",
                             quoted(planned.campaign), quoted(workspace.string())));
  out["mcp"] = {{"tool", "amk_autoresearch"}, {"arguments", {{"plan", view.plan.name}, {"trials", kTrialsAdvised}}}};
  return out;
}

std::string advice_text(const Json& advice) {
  std::string out =
      fmt::format("{}\n  because {}\n", advice["campaign"].get<std::string>(), advice["why"].get<std::string>());
  if (!advice["bottleneck"].is_null()) {
    out += fmt::format("  where its time goes, {}\n\nKnobs that address it\n",
                       advice["bottleneck"]["text"].get<std::string>());
    Table table({{"knob"}, {"present"}, {"addresses"}, {"how"}});
    for (const Json& knob : advice["knobs"]) {
      const std::string present = knob["present"].dump();
      table.add({knob["knob"].get<std::string>(),
                 present.size() <= kShownMax ? present : present.substr(0, kShownMax) + "...",
                 knob["addresses"].get<std::string>(), knob["how"].get<std::string>()});
    }
    out += table.text();
  }
  out += "\nRun\n  " + advice["command"].get<std::string>() + "\n";
  if (!advice["record_command"].is_null())
    out += "or propose a schedule yourself\n  " + advice["record_command"].get<std::string>() + "\n";
  return out;
}

Result<Exit> next(const OrchestrateOptions& options, Output& output) {
  const std::filesystem::path workspace = search::workspace_directory(options.plan.workspace);
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<PlanView> view, view_of(options, workspace));
  const std::optional<size_t> index = search::next_campaign(view->standings);
  if (!index) {
    Json json = view_json(*view);
    json["campaign"] = nullptr;
    json["why"] = "all campaigns have moved on";
    if (output.json()) output.document(json);
    output.text("all campaigns have moved on\n\n" + standings_text(*view));
    return Exit::kDone;
  }
  std::optional<BottleneckFound> found;
  if (const Campaign* campaign = view->standings[*index].campaign; campaign != nullptr) {
    Result<BottleneckFound> bottleneck = find_bottleneck(*campaign, workspace, options.plan.run);
    if (bottleneck) {
      found = std::move(*bottleneck);
    } else {
      output.note("its bottleneck is not known: " + bottleneck.error().text());
    }
  }
  const Json advice = advice_json(*view, *index, found, workspace);
  if (output.json()) output.document(advice);
  output.text(advice_text(advice));
  return Exit::kDone;
}

// ---- record ---------------------------------------------------------------------------------------------------------

/// What somebody outside proposes, once.
class Recorded final : public search::Proposer {
 public:
  explicit Recorded(search::Proposal proposal) : proposal_(std::move(proposal)) {}
  Result<std::optional<search::Proposal>> next(const Campaign&) override {
    return std::exchange(proposal_, std::nullopt);
  }

 private:
  std::optional<search::Proposal> proposal_;
};

/// The incumbent's schedule with the knobs that are given.
Result<schedule::ScheduleConfig> proposed(const ScheduleOptions& options, const schedule::ScheduleConfig& incumbent) {
  Json whole = Json::parse(schedule::config_to_json(incumbent));
  if (!options.schedule_file.empty()) {
    const bool is_text = options.schedule_file.starts_with('{');
    std::string text = options.schedule_file;
    if (!is_text) {
      AMK_ASSIGN_OR_RETURN(text, read_file(options.schedule_file, kScheduleBytesMax));
    }
    const Json given = Json::parse(text, nullptr, false);
    if (!given.is_object()) {
      return Error{ErrorCode::kUsage, "expected a schedule as a JSON object, found something else", "--schedule",
                   "for example --schedule '{\"pipelining_depth\": 8}'"};
    }
    whole.merge_patch(given);
  }
  AMK_ASSIGN_OR_RETURN(schedule::ScheduleConfig config, schedule::config_from_json(whole.dump(), "--schedule"));
  for (const std::string& set : options.sets) {
    const size_t equals = std::min(set.find('='), set.size());
    AMK_TRY(schedule::set_knob(config, set.substr(0, equals), set.substr(std::min(equals + 1, set.size()))));
  }
  return config;
}

/// The options that open the campaign: of the history where it has begun, else of the plan.
Result<LoopOptions> opening(const OrchestrateOptions& options, const Desk& desk,
                            const std::filesystem::path& workspace) {
  AMK_ASSIGN_OR_RETURN(const std::optional<Campaign> there, desk.history.read(options.campaign));
  if (there) return options_of(*there, options.plan.workspace, options.plan.run);
  AMK_ASSIGN_OR_RETURN(const std::optional<search::Plan> plan, search::read_plan(workspace, options.plan.plan));
  if (plan) {
    for (const search::PlannedCampaign& planned : plan->campaigns) {
      if (planned.campaign == options.campaign) return options_of(planned, options.plan);
    }
  }
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> names, desk.history.names());
  return Error{ErrorCode::kUsage,
               fmt::format("expected one of the campaigns {}, found '{}'", fmt::join(names, ", "), options.campaign),
               "--campaign", "amk loop and amk orchestrate plan begin one"};
}

Result<Exit> record(const OrchestrateOptions& options, Output& output) {
  const ScheduleOptions& given = options.plan.schedule;
  if (options.campaign.empty())
    return Error{ErrorCode::kUsage, "expected --campaign NAME, found none", "amk orchestrate record", ""};
  if (given.schedule_file.empty() && given.sets.empty()) {
    return Error{ErrorCode::kUsage, "expected --schedule JSON or --set, found neither", "amk orchestrate record",
                 "knobs that it leaves out are the incumbent's"};
  }
  std::vector<std::string> notes;
  AMK_ASSIGN_OR_RETURN(Desk desk, open_desk(options.plan.workspace, notes));
  AMK_ASSIGN_OR_RETURN(const LoopOptions loop,
                       opening(options, desk, search::workspace_directory(options.plan.workspace)));
  AMK_ASSIGN_OR_RETURN(CampaignSetting setting, prepare_campaign(loop));
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<CampaignSession> session,
                       CampaignSession::open(std::move(setting), desk, output));
  const schedule::ScheduleConfig& incumbent = session->campaign().incumbent.config;
  AMK_ASSIGN_OR_RETURN(const schedule::ScheduleConfig config, proposed(given, incumbent));
  Recorded proposer({config, search::describe_change(incumbent, config), search::only_knob(incumbent, config),
                     "recorded", options.note});
  search::MoveOnRules one;
  one.trials = 1;
  one.reverts = 0;
  one.pct_of_floor = 0;
  const std::atomic<bool> never{false};
  AMK_TRY(session->run(proposer, one, never, {}));
  const search::Trial& trial = session->campaign().trials.back();
  notes.insert(notes.begin(), session->notes().begin(), session->notes().end());
  if (output.json()) {
    output.document({{"campaign", session->campaign().name},
                     {"trial", to_json(trial)},
                     {"incumbent", to_json(session->campaign().incumbent)},
                     {"speedup", json_number(search::speedup_of(session->campaign()))},
                     {"notes", notes}});
  }
  output.text(trial_line(trial));
  for (const std::string& note : notes) output.note(note);
  const bool ran = trial.outcome == search::Outcome::kKept || trial.outcome == search::Outcome::kReverted;
  return ran ? Exit::kDone : Exit::kNegative;
}

Result<Exit> write(const OrchestrateOptions& options, Output& output) {
  const std::filesystem::path workspace = search::workspace_directory(options.plan.workspace);
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<PlanView> view, view_of(options, workspace));
  AMK_ASSIGN_OR_RETURN(const ReportPaths paths, write_plan_report(*view, options.plan, workspace, output));
  if (output.json()) {
    Json json = view_json(*view);
    json["html"] = paths.html;
    json["markdown"] = paths.markdown;
    output.document(json);
  }
  output.text(fmt::format("{}\n{}\n", paths.html, paths.markdown));
  return Exit::kDone;
}

}  // namespace

Result<Exit> orchestrate(const OrchestrateOptions& options, Output& output) {
  static constexpr std::array<std::string_view, 5> kActions = {"plan", "status", "next", "record", "report"};
  if (options.action != "plan" && !options.plan.models.empty()) {
    return Error{ErrorCode::kUsage, fmt::format("expected no MODEL for {}, found one", options.action), "MODEL",
                 "amk orchestrate plan adds models"};
  }
  if (options.action == "plan") return make_plan(options, output);
  if (options.action == "next") return next(options, output);
  if (options.action == "record") return record(options, output);
  if (options.action == "report") return write(options, output);
  if (options.action != "status") {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected one of {}, found '{}'{}", join(kActions), options.action,
                             did_you_mean(options.action, kActions)),
                 "ACTION", ""};
  }
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<PlanView> view,
                       view_of(options, search::workspace_directory(options.plan.workspace)));
  return show(*view, output);
}

}  // namespace amk::cli
