#include <algorithm>
#include <iterator>

#include "base/files.h"
#include "search/plan_file.h"
#include "search/trial_json.h"

namespace amk::search {
namespace {

constexpr uint64_t kPlanBytesMax = uint64_t{16} << 20;
constexpr const char* kSuffix = ".json";

std::filesystem::path folder_of(const std::filesystem::path& workspace) { return workspace / "plans"; }

const char* name_of(MoveOn rule) { return kMoveOnNames[static_cast<size_t>(rule)]; }

/// Throws Json::exception for a name that is none.
MoveOn rule_from(const Json& json) {
  const auto name = json.get<std::string>();
  const auto* const found = std::ranges::find(kMoveOnNames, name);
  if (found == std::end(kMoveOnNames)) throw Json::other_error::create(501, "expected a rule, found " + name, nullptr);
  return static_cast<MoveOn>(std::distance(std::begin(kMoveOnNames), found));
}

Json end_json(const std::optional<PlannedEnd>& end) {
  if (!end) return nullptr;
  return {{"rule", name_of(end->rule)}, {"why", end->why}, {"trials", end->trials}};
}

Json slice_json(const std::optional<Slice>& slice) {
  if (!slice) return nullptr;
  return {{"campaign", slice->campaign},
          {"trials", slice->trials},
          {"kept", slice->kept},
          {"ended_by", name_of(slice->ended_by)},
          {"why", slice->why}};
}

PlannedCampaign campaign_from(const Json& json) {
  PlannedCampaign out;
  out.campaign = json.at("campaign").get<std::string>();
  out.model = json.at("model").get<std::string>();
  out.weights = json.at("weights").get<std::string>();
  out.target = json.at("target").get<std::string>();
  out.kv_dtype = json.at("kv_dtype").get<std::string>();
  out.device = json.at("device").get<std::string>();
  out.context = json.at("context").get<uint32_t>();
  out.position = json.at("position").get<uint32_t>();
  out.seed = json.at("seed").get<uint64_t>();
  const Json& end = json.at("ended");
  if (!end.is_null())
    out.ended = {rule_from(end.at("rule")), end.at("why").get<std::string>(), end.at("trials").get<uint32_t>()};
  return out;
}

Plan plan_from(const Json& json) {
  Plan out;
  out.name = json.at("plan").get<std::string>();
  out.made = json.at("made").get<int64_t>();
  const Json& rules = json.at("move_on");
  out.reverts_max = rules.at("reverts").get<uint32_t>();
  out.pct_of_floor = rules.at("pct_of_floor").get<double>();
  out.speedup = rules.at("speedup").get<double>();
  out.slices = json.at("slices").get<uint32_t>();
  const Json& last = json.at("last");
  if (!last.is_null()) {
    out.last = {last.at("campaign").get<std::string>(), last.at("trials").get<uint32_t>(),
                last.at("kept").get<uint32_t>(), rule_from(last.at("ended_by")), last.at("why").get<std::string>()};
  }
  for (const Json& one : json.at("campaigns")) out.campaigns.push_back(campaign_from(one));
  return out;
}

}  // namespace

std::string plan_to_json(const Plan& plan) {
  Json campaigns = Json::array();
  for (const PlannedCampaign& one : plan.campaigns) {
    campaigns.push_back({{"campaign", one.campaign},
                         {"model", one.model},
                         {"weights", one.weights},
                         {"target", one.target},
                         {"kv_dtype", one.kv_dtype},
                         {"device", one.device},
                         {"context", one.context},
                         {"position", one.position},
                         {"seed", one.seed},
                         {"ended", end_json(one.ended)}});
  }
  const Json out = {
      {"plan", plan.name},
      {"made", plan.made},
      {"move_on", {{"reverts", plan.reverts_max}, {"pct_of_floor", plan.pct_of_floor}, {"speedup", plan.speedup}}},
      {"slices", plan.slices},
      {"last", slice_json(plan.last)},
      {"campaigns", std::move(campaigns)}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Plan> plan_from_json(std::string_view text, const std::string& location) {
  try {
    return plan_from(Json::parse(text));
  } catch (const Json::exception& problem) {
    return Error{ErrorCode::kBadInput, std::string("expected a plan as amk orchestrate writes it: ") + problem.what(),
                 location, "move the file away; the campaigns are in the history, and a new plan takes them up"};
  }
}

Result<std::optional<Plan>> read_plan(const std::filesystem::path& workspace, const std::string& name) {
  if (Status legal = check_campaign_name(name); !legal) {
    Error error = legal.error();
    error.location = "--plan";
    return error;
  }
  const std::filesystem::path path = folder_of(workspace) / (name + kSuffix);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<Plan>();
  AMK_ASSIGN_OR_RETURN(const std::string text, read_file(path, kPlanBytesMax));
  AMK_ASSIGN_OR_RETURN(Plan plan, plan_from_json(text, path.string()));
  return std::optional(std::move(plan));
}

Status write_plan(const std::filesystem::path& workspace, const Plan& plan) {
  std::error_code problem;
  std::filesystem::create_directories(folder_of(workspace), problem);
  return write_file_atomic(folder_of(workspace) / (plan.name + kSuffix), plan_to_json(plan));
}

std::vector<std::string> plan_names(const std::filesystem::path& workspace) {
  std::vector<std::string> out;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(workspace), problem)) {
    std::string name = entry.path().filename().string();
    if (!name.ends_with(kSuffix)) continue;
    name.resize(name.size() - std::string_view(kSuffix).size());
    if (check_campaign_name(name).ok()) out.push_back(std::move(name));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace amk::search
