#include "cli/plan_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "abi/dtype.h"
#include "cli/table.h"
#include "model/quantise.h"
#include "search/trial_json.h"

namespace amk::cli {
namespace {

using search::Campaign;
using search::Plan;
using search::PlannedCampaign;
using search::Standing;

struct ModelAndWeights {
  std::string model;
  std::string weights;  ///< empty: not said
};

/// "toy:int8:64" is toy with int8:64; the colon of "synthetic:llama-3.2-1b" is the model's own.
ModelAndWeights split_model(const std::string& text) {
  for (size_t colon = text.find(':'); colon != std::string::npos; colon = text.find(':', colon + 1)) {
    const std::string weights = text.substr(colon + 1);
    if (colon > 0 && model::parse_weight_format(weights).ok()) return {text.substr(0, colon), weights};
  }
  return {text, ""};
}

Result<PlannedCampaign> planned_campaign(const std::string& model, const PlanOptions& options) {
  const ModelAndWeights named = split_model(model);
  LoopOptions loop;
  loop.model = named.model;
  loop.schedule = options.schedule;
  if (!named.weights.empty()) loop.schedule.weights = named.weights;
  loop.run = options.run;
  loop.position = options.position;
  AMK_ASSIGN_OR_RETURN(const CampaignSetting setting, prepare_campaign(loop));
  PlannedCampaign out;
  out.campaign = setting.name;
  out.model = named.model;
  out.weights = loop.schedule.weights.empty() ? "stored" : loop.schedule.weights;
  out.target = setting.job.target->name;
  out.kv_dtype = abi::dtype_name(setting.job.kv_dtype);
  out.device = setting.kind() == eval::LatencyKind::kMeasuredGpu ? "cuda" : "cpu";
  out.context = setting.job.context;
  out.position = options.position;
  out.seed = options.seed.value_or(1);
  return out;
}

void take_rules(const PlanOptions& options, Plan& plan) {
  plan.reverts_max = options.reverts_max.value_or(plan.reverts_max);
  plan.pct_of_floor = options.pct_of_floor.value_or(plan.pct_of_floor);
  plan.speedup = options.speedup.value_or(plan.speedup);
}

/// Adds what is not there; what is there must be about the same.
Status add_campaigns(std::vector<PlannedCampaign> wanted, Plan& plan) {
  for (PlannedCampaign& one : wanted) {
    const auto there = std::ranges::find(plan.campaigns, one.campaign, &PlannedCampaign::campaign);
    if (there == plan.campaigns.end()) {
      plan.campaigns.push_back(std::move(one));
      continue;
    }
    one.ended = there->ended;
    one.model = there->model;
    one.seed = there->seed;
    if (one == *there) continue;
    return Error{
        ErrorCode::kUsage,
        fmt::format("expected campaign {} as the plan has it (weights {}, context {}, KV caches {}, position "
                    "{}, device {}), found another",
                    there->campaign, there->weights, there->context, there->kv_dtype, there->position, there->device),
        "--plan", "give the new one another --plan"};
  }
  return {};
}

}  // namespace

Result<std::vector<PlannedCampaign>> planned_campaigns(const PlanOptions& options) {
  if (!options.schedule.schedule_file.empty() || !options.schedule.sets.empty()) {
    return Error{ErrorCode::kUsage, "expected no --schedule or --set for a plan, found one", "",
                 "its campaigns start from the default schedule; amk loop --schedule begins one from another"};
  }
  std::vector<PlannedCampaign> out;
  for (const std::string& model : options.models) {
    AMK_ASSIGN_OR_RETURN(PlannedCampaign one, planned_campaign(model, options));
    if (std::ranges::count(out, one.campaign, &PlannedCampaign::campaign) > 0) {
      return Error{ErrorCode::kUsage, fmt::format("expected models that differ, found {} twice", one.campaign), model,
                   ""};
    }
    out.push_back(std::move(one));
  }
  return out;
}

Result<Plan> make_or_extend(const PlanOptions& options, const std::filesystem::path& workspace) {
  AMK_ASSIGN_OR_RETURN(std::vector<PlannedCampaign> wanted, planned_campaigns(options));
  AMK_ASSIGN_OR_RETURN(std::optional<Plan> plan, search::read_plan(workspace, options.plan));
  if (!plan && wanted.empty()) {
    return Error{ErrorCode::kUsage, fmt::format("expected MODEL for a new plan, found nothing ({})", options.plan),
                 "MODEL", "name the models; a plan that is there needs none"};
  }
  if (!plan) {
    plan = Plan{};
    plan->name = options.plan;
    plan->made =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  take_rules(options, *plan);
  AMK_TRY(add_campaigns(std::move(wanted), *plan));
  AMK_TRY(search::write_plan(workspace, *plan));
  return std::move(*plan);
}

Result<Plan> existing_plan(const std::string& name, const std::filesystem::path& workspace) {
  AMK_ASSIGN_OR_RETURN(std::optional<Plan> plan, search::read_plan(workspace, name));
  if (plan) return std::move(*plan);
  const std::vector<std::string> names = search::plan_names(workspace);
  return Error{ErrorCode::kUsage,
               names.empty() ? fmt::format("expected a plan, found none in {}", workspace.string())
                             : fmt::format("expected one of the plans {}, found '{}'", fmt::join(names, ", "), name),
               "--plan", "amk orchestrate plan MODEL... makes one"};
}

LoopOptions options_of(const PlannedCampaign& planned, const PlanOptions& options) {
  LoopOptions out;
  out.model = planned.model;
  out.schedule.gpu = planned.target;
  out.schedule.context = planned.context;
  out.schedule.weights = planned.weights == "stored" ? "" : planned.weights;
  out.schedule.kv_dtype = planned.kv_dtype;
  out.schedule.rope_frequencies = options.schedule.rope_frequencies;
  out.run = options.run;
  out.run.device = planned.device;
  out.workspace = options.workspace;
  out.campaign = planned.campaign;
  out.seed = planned.seed;
  out.position = planned.position;
  return out;
}

std::unique_ptr<PlanView> look_at_plan(Plan plan, const search::History* history) {
  auto out = std::make_unique<PlanView>();
  out->plan = std::move(plan);
  std::vector<std::string> unreadable;
  for (const PlannedCampaign& planned : out->plan.campaigns) {
    std::optional<Campaign>& found = out->campaigns.emplace_back();
    std::string& why = unreadable.emplace_back();
    if (history == nullptr) continue;
    Result<std::optional<Campaign>> read = history->read(planned.campaign);
    if (read) {
      found = std::move(*read);
    } else {
      why = read.error().text();
    }
  }
  std::vector<const Campaign*> campaigns;
  for (const std::optional<Campaign>& found : out->campaigns) campaigns.push_back(found ? &*found : nullptr);
  out->standings = search::standings(out->plan, campaigns);
  for (size_t i = 0; i < unreadable.size(); ++i) out->standings[i].unreadable = std::move(unreadable[i]);
  return out;
}

Json standing_json(const Standing& of) {
  const Campaign* campaign = of.campaign;
  const auto known = [&](double value) { return campaign == nullptr ? Json(nullptr) : json_number(value); };
  const Json about = campaign == nullptr ? Json(nullptr) : Json(to_json(campaign->header));
  return {
      {"campaign", of.planned->campaign},
      {"model", of.planned->model},
      {"weights", of.planned->weights},
      {"gpu", of.planned->target},
      {"begun", campaign != nullptr},
      {"latency_us", known(campaign == nullptr ? 0 : campaign->incumbent.latency_us)},
      {"latency_kind", campaign == nullptr ? Json(nullptr) : about["latency_kind"]},
      {"floor_us", known(campaign == nullptr ? 0 : campaign->incumbent.floor_us)},
      {"headroom_pct", known(100 * of.headroom)},
      {"speedup", known(of.speedup)},
      {"trials", campaign == nullptr ? 0 : campaign->trials.size()},
      {"kept", of.kept},
      {"reverts_in_a_row", of.reverts},
      {"expected_gain_pct", known(100 * of.expected_gain)},
      {"moved_on", of.moved_on ? Json(search::kMoveOnNames[static_cast<size_t>(of.moved_on->rule)]) : Json(nullptr)},
      {"why", of.moved_on ? Json(of.moved_on->why) : Json(nullptr)},
      {"unreadable", of.unreadable.empty() ? Json(nullptr) : Json(of.unreadable)}};
}

std::string standings_text(const PlanView& view) {
  Table table({{"campaign"},
               {"us a token", Align::kRight},
               {"latencies"},
               {"floor us", Align::kRight},
               {"headroom", Align::kRight},
               {"x start", Align::kRight},
               {"trials", Align::kRight},
               {"reverts", Align::kRight},
               {"state"}});
  for (const Standing& of : view.standings) {
    if (of.campaign == nullptr) {
      table.add({of.planned->campaign, "", "", "", "", "", "0", "", search::state_text(of)});
      continue;
    }
    const Campaign& campaign = *of.campaign;
    table.add({campaign.name, fmt::format("{:.2f}", campaign.incumbent.latency_us),
               search::latency_kind_text(campaign.header.kind), fmt::format("{:.2f}", campaign.incumbent.floor_us),
               fmt::format("{:.1f}%", 100 * of.headroom), fmt::format("{:.3f}", of.speedup),
               std::to_string(campaign.trials.size()), std::to_string(of.reverts), search::state_text(of)});
  }
  return table.text();
}

Result<ReportPaths> write_plan_report(const PlanView& view, const PlanOptions& options,
                                      const std::filesystem::path& workspace, const Output& output) {
  Progress progress(output);
  FactOptions facts;
  facts.workspace = workspace;
  facts.run = options.run;
  std::vector<search::ReportSubject> subjects;
  for (const std::optional<Campaign>& campaign : view.campaigns) {
    if (!campaign) continue;
    progress.step("reporting on " + campaign->name);
    AMK_ASSIGN_OR_RETURN(search::ReportSubject subject, report_subject(*campaign, facts, progress));
    subjects.push_back(std::move(subject));
  }
  const std::filesystem::path directory =
      options.out.empty() ? workspace / "reports" / view.plan.name : std::filesystem::path(options.out);
  return write_report(search::plan_report(view.plan, view.standings, subjects), directory);
}

}  // namespace amk::cli
