// amk_history: the campaigns of the research loop, or what one of them tried.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/run_tool.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::seconds kDeadline{30};

std::string campaign_words(const Json& campaign) {
  const Json& incumbent = member(campaign, "incumbent");
  return fmt::format("incumbent {} us ({}), {} times as fast as the start",
                     number_text(member(incumbent, "latency_us"), 2),
                     text_in(member(campaign, "about"), "latency_kind"), number_text(member(campaign, "speedup"), 3));
}

/// The last of its trials: all of a long campaign would swamp a model.
Json cut_trials(Json campaign, size_t count_max) {
  Json& trials = campaign["trials"];
  const size_t all = trials.size();
  if (all > count_max) trials.erase(trials.begin(), trials.begin() + static_cast<std::ptrdiff_t>(all - count_max));
  campaign["trial_count"] = all;
  return campaign;
}

ToolResult about_one(Json campaign, size_t count_max) {
  campaign = cut_trials(std::move(campaign), count_max);
  size_t kept = 0;
  for (const Json& trial : campaign["trials"]) kept += member(trial, "outcome") == "kept" ? 1 : 0;
  ToolResult out;
  out.structured = {
      {"summary",
       fmt::format("{}: {} trials, {}; {} of the last {} were kept.", text_in(campaign, "campaign"),
                   to_line(campaign["trial_count"]), campaign_words(campaign), kept, campaign["trials"].size())},
      {"next", "amk_loop with this \"campaign\" goes on with it; amk_eval judges its incumbent.schedule."},
      {"campaigns", Json::array()},
      {"campaign", std::move(campaign)}};
  return out;
}

ToolResult about_all(Json campaigns) {
  ToolResult out;
  out.structured = {
      {"summary", campaigns.empty() ? "No campaigns yet in this workspace."
                                    : fmt::format("{} campaigns; the first, {}: {}.", campaigns.size(),
                                                  text_in(campaigns[0], "campaign"), campaign_words(campaigns[0]))},
      {"next", campaigns.empty() ? "amk_loop begins one." : "Give a \"campaign\" to see what it tried."},
      {"campaigns", std::move(campaigns)},
      {"campaign", nullptr}};
  return out;
}

ToolResult run(const RunStore& store, const Json& arguments, CallContext& context) {
  std::error_code problem;
  // The verb refuses a workspace without a history; here that is one without campaigns.
  if (!arguments.contains("campaign") && !std::filesystem::exists(store.workspace() / "history", problem))
    return about_all(Json::array());
  Json all = arguments;
  all["workspace"] = store.workspace().string();
  const Result<std::vector<std::string>> command = amk_command("log", all, "", {"trials"});
  if (!command) return failure(command.error());
  Result<Json> document = run_amk(*command, kDeadline, context);
  if (!document) return failure(document.error());
  if (document->is_array()) return about_all(std::move(*document));
  return about_one(std::move(*document), arguments.value("trials", size_t{20}));
}

}  // namespace

Tool amk_history(const RunStore& store) {
  Tool out;
  out.name = "amk_history";
  out.title = "What the research loop has tried";
  out.description =
      "Lists the campaigns of this workspace, or says what one of them tried: for each trial the change, whether it "
      "was kept, reverted or refused and why, its latency and the schedule. Only reads, also while an amk_loop runs.";
  out.input_schema = object_schema(
      {{"campaign", text_property("Its name, as amk_loop says it; default: the only one, or a list of all.", 64)},
       {"trials", integer_property("How many of the last trials to return.", 1, 200, 20)}},
      Json::array(), {{"campaign", "toy-h100-predicted"}});
  out.output_schema = result_schema(
      {{"campaigns",
        {{"type", "array"},
         {"items", typed("object", "campaign, about, commit, begun, start, incumbent, speedup, trial_count.")},
         {"description", "Where a list was asked for."}}},
       {"campaign", or_null("object",
                            "Where one was asked for: campaign, about, commit, begun, start, incumbent, speedup, "
                            "trial_count, trials (the last ones).")}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext& context) { return run(store, arguments, context); };
  return out;
}

}  // namespace amk::mcp
