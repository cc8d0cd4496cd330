// amk_propose: the knobs of a schedule, and what turning each is predicted to do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "mcp/runs/file_stamp.h"
#include "mcp/runs/trace_index.h"
#include "mcp/tools/amk_command.h"
#include "mcp/tools/answer_cache.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kDeadline{30};
constexpr std::chrono::hours kAnyAge{24 * 365};
constexpr std::chrono::seconds kMachineAge{60};  ///< which GPU this machine has is in no file

/// Whether it has what story() tells of. Another version of amk may say something else.
bool is_proposal(const Json& document) {
  if (member(document, "findings").is_array()) return true;
  const Json& proposals = member(document, "proposals");
  return member(document, "incumbent").is_object() && proposals.is_array() &&
         std::ranges::all_of(proposals, [](const Json& one) { return one.is_object(); });
}

Story story(const Json& document) {
  if (document.contains("findings")) return refusal_story(document);
  const Json& incumbent = document["incumbent"];
  const Json& proposals = document["proposals"];
  const std::string now =
      fmt::format("{} on {}: {} us predicted (floor {} us), bottleneck {}.", text_in(document, "model"),
                  text_in(document, "gpu"), number_text(member(incumbent, "latency_us")),
                  number_text(member(incumbent, "floor_us")), text_in(incumbent, "bottleneck"));
  const Json change = proposals.empty() ? Json(nullptr) : member(proposals[0], "change_pct");
  if (!change.is_number() || change >= 0) {
    return {now + " No single knob is predicted to help.", "Measure with amk_eval or amk_trace where there is a GPU."};
  }
  const Json& best = proposals[0];
  return {fmt::format("{} Best single change: {} = {}, {}% predicted.", now, text_in(best, "knob"),
                      to_line(member(best, "value")), number_text(change)),
          "Try it with amk_eval, the knob set in \"schedule\" (a knob's path is its place in that object)."};
}

/// Sizes and times of a checkpoint's files; nothing for a built-in model.
std::string files_of(const std::string& model) {
  std::error_code problem;
  if (!fs::is_directory(model, problem)) return "";
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(model, problem)) out.push_back(stamp_of(entry.path()));
  std::ranges::sort(out);
  return fmt::format("{}", fmt::join(out, "\n"));
}

/// Changes with every trial of the campaign that is asked for.
std::string campaign_stamp(const fs::path& workspace, const Json& arguments) {
  const std::string name = arguments.value("campaign", "");
  return name.empty() ? "" : stamp_of(workspace / "history" / "refs" / "heads" / "campaign" / name);
}

struct State {
  explicit State(RunStore& of) : store(of), traces(of) {}
  RunStore& store;
  TraceIndex traces;
  AnswerCache answers;
};

ToolResult computed(const std::vector<std::string>& command, const Json& last_trace, CallContext& context) {
  Result<Json> document = run_amk(command, kDeadline, context);
  if (!document) return failure(document.error());
  if (!is_proposal(*document)) {
    return failure({ErrorCode::kInternal,
                    fmt::format("expected a proposal from amk propose, found {}", shown(*document)), "", ""});
  }
  const Story told = story(*document);
  Json structured = {{"summary", told.summary}, {"next", told.next}};
  for (const char* key :
       {"model", "gpu", "context", "incumbent", "campaign", "advice", "knobs", "proposals", "findings", "notes"}) {
    if (document->contains(key)) structured[key] = (*document)[key];
  }
  structured["last_trace"] = last_trace;
  ToolResult out;
  out.kept = std::make_shared<const KeptResult>(std::move(structured));
  return out;
}

ToolResult run(State& state, const Json& arguments, CallContext& context) {
  const fs::path& workspace = state.store.workspace();
  Json all = arguments;
  all["workspace"] = workspace.string();
  const Result<std::vector<std::string>> command = amk_command("propose", all, "model");
  if (!command) return failure(command.error());
  const Json last_trace = state.traces.newest(arguments["model"]);
  // The command holds every argument and the program; the rest is what else the answer is made of.
  const std::string key = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", to_line(*command), stamp_of(command->front()),
                                      to_line(last_trace), files_of(arguments["model"].get<std::string>()),
                                      stamp_of(workspace / "traces"), campaign_stamp(workspace, arguments));
  const bool asks_machine = arguments.value("gpu", "auto") == "auto";
  return state.answers.get(key, asks_machine ? kMachineAge : kAnyAge, context,
                           [&] { return computed(*command, last_trace, context); });
}

}  // namespace

Tool amk_propose(RunStore& store) {
  Tool out;
  out.name = "amk_propose";
  out.title = "Knobs of a schedule and what they would do";
  out.description =
      "Shows the incumbent schedule of a model, its predicted latency and bottleneck, every knob with its legal values "
      "and "
      "meaning, and for the values next to each knob's present one the latency predicted for that single change, best "
      "first. Nothing is run. Use it to choose what to try next with amk_eval.";
  out.input_schema = object_schema(
      with_schedule(
          {{"model", model_property()},
           {"campaign",
            text_property("A campaign of the workspace, whose incumbent is shown; then without schedule.", 64)},
           {"position",
            integer_property("Position of the token whose latency is predicted; below the context.", 0, 1048575, 0)}}),
      {"model"}, {{"model", "toy"}, {"gpu", "h100"}, {"schedule", {{"pipelining_depth", 8}}}});
  out.output_schema = {
      {"type", "object"},
      {"properties",
       {{"summary", typed("string", "What came of it, in a sentence or two.")},
        {"next", typed("string", "What to do next.")},
        {"model", typed("string", "Its name.")},
        {"gpu", typed("string", "The target.")},
        {"context", typed("integer", "Positions.")},
        {"incumbent", typed("object",
                            "schedule, schedule_id, tasks, latency_us, latency_kind (predicted), floor_us, wait_us, "
                            "stream_us, bottleneck, levels.")},
        {"campaign", or_null("object", "campaign, trial, trials, latency_us, latency_kind, speedup.")},
        {"advice",
         typed("object", "loss (the one to work on), by (trace or cost-model), knobs that address it (knob, how).")},
        {"knobs",
         {{"type", "array"},
          {"items",
           typed("object",
                 "knob, type, default, present, min, max, step, unit, values, auto, pass, meaning, addresses (loss, "
                 "how).")}}},
        {"proposals", {{"type", "array"}, {"items", typed("object", "knob, value, latency_us, change_pct, refused.")}}},
        {"findings",
         {{"type", "array"},
          {"items", {{"type", "object"}}},
          {"description", "Only where the validator refuses the incumbent."}}},
        {"last_trace",
         or_null("object",
                 "Of this model, by amk_trace: run_id, schedule_id, position, span_us, bottleneck, largest_loss.")},
        {"notes", {{"type", "array"}, {"items", {{"type", "string"}}}}}}},
      {"required", {"summary", "next"}}};
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [state = std::make_shared<State>(store)](const Json& arguments, CallContext& context) {
    return run(*state, arguments, context);
  };
  return out;
}

}  // namespace amk::mcp
