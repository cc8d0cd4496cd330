// amk_autoresearch: a plan of campaigns, worked on unattended.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/orchestrate.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

Result<std::vector<std::string>> command_of(const RunStore& store, const Json& arguments,
                                            const std::filesystem::path& folder) {
  Json all = arguments;
  all["workspace"] = store.workspace().string();
  all["out"] = folder.string();
  AMK_ASSIGN_OR_RETURN(std::vector<std::string> out, amk_command("autoresearch", all, "", {"wait_s", "models"}));
  out.emplace_back("--");
  for (const Json& model : member(arguments, "models")) {
    const auto text = model.get<std::string>();
    if (text.find('\0') != std::string::npos)
      return Error{ErrorCode::kUsage, "expected a text without a zero byte, found one", "models", "leave \\u0000 out"};
    out.push_back(text);
  }
  return out;
}

}  // namespace

Story autoresearch_story(const Json& night) {
  std::string best;
  for (const Json& one : member(night, "campaigns")) {
    const Json& speedup = member(one, "speedup");
    if (!speedup.is_number()) continue;
    best += fmt::format("{}{} {}x its start ({})", best.empty() ? "" : ", ", text_in(one, "campaign"),
                        number_text(speedup, 3), text_in(one, "latency_kind"));
  }
  return {
      fmt::format("{} trial(s), ended by {}: {}. {}.", to_line(member(night, "trials")), text_in(night, "ended_by"),
                  text_in(night, "why"), best.empty() ? "No campaign has begun" : best),
      "The report is among the files. amk_orchestrate_next says where to go on; amk_compile keeps the best schedule "
      "of a campaign as a bundle."};
}

Tool amk_autoresearch(RunStore& store) {
  Tool out;
  out.name = "amk_autoresearch";
  out.title = "Work on a plan of campaigns unattended";
  out.description =
      "Searches for faster schedules of several models, one campaign each: proposes, judges, keeps or reverts, and "
      "gives trials to the campaign where the next one is expected to win most, until the time or the trials are spent "
      "or every campaign has moved on (the rule is named). Ends with a report. Killed at any instant it goes on with "
      "the same plan, with at most the running trial lost. Latencies are measured on this machine's GPU, or predicted, "
      "and say which. Starts a run: where it does not end within wait_s, ask amk_run_status with its run_id.";
  Json properties = with_wait(with_plan(with_device(
      with_schedule({{"models",
                      {{"type", "array"},
                       {"items", {{"type", "string"}, {"minLength", 1}, {"maxLength", 4096}}},
                       {"maxItems", 100},
                       {"description",
                        "Models to work on: a checkpoint's directory or a built-in name (amk_models lists them), each "
                        "with :int8 or :int4 behind it where its weights are to be quantised. Leave it out to go on "
                        "with a plan."}}},
                     {"trials", integer_property("End after so many trials in all.", 1, 1000000, 100)},
                     {"minutes", integer_property("End after so many minutes; 0: no such end.", 0, 1000000, 0)},
                     {"slice", integer_property("Trials that a campaign is given at a time.", 1, 10000, 16)}}))));
  properties.erase("schedule");
  out.input_schema =
      object_schema(std::move(properties), Json::array(), {{"models", {"toy", "toy-2l:int8"}}, {"trials", 40}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    Json all = arguments;
    if (!all.contains("trials")) all["trials"] = 100;
    const auto command = [&](const std::filesystem::path& folder) { return command_of(store, all, folder); };
    return start_run(store, "amk_autoresearch", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
