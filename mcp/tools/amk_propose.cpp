// amk_propose: the knobs of a schedule, and what turning each is predicted to do.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::seconds kDeadline{30};
constexpr size_t kRunsLookedAt = 50;

Story story(const Json& document) {
  if (document.contains("findings")) return refusal_story(document);
  const Json& incumbent = document["incumbent"];
  const Json& proposals = document["proposals"];
  const std::string now = fmt::format(
      "{} on {}: {} us predicted (floor {} us), bottleneck {}.", text_in(document, "model"), text_in(document, "gpu"),
      number_text(incumbent["latency_us"]), number_text(incumbent["floor_us"]), text_in(incumbent, "bottleneck"));
  if (proposals.empty() || !proposals[0]["change_pct"].is_number() || proposals[0]["change_pct"] >= 0) {
    return {now + " No single knob is predicted to help.", "Measure with amk_eval or amk_trace where there is a GPU."};
  }
  const Json& best = proposals[0];
  return {fmt::format("{} Best single change: {} = {}, {}% predicted.", now, text_in(best, "knob"),
                      to_line(best["value"]), number_text(best["change_pct"])),
          "Try it with amk_eval, the knob set in \"schedule\" (a knob's path is its place in that object)."};
}

/// Where the time of that model went when it was traced last; null where it has not been of late.
Json last_trace(RunStore& store, const Json& model) {
  for (const Run& run : store.list(kRunsLookedAt)) {
    const Json& trace = member(run.result, "trace");
    if (run.tool != "amk_trace" || !trace.is_object() || member(run.arguments, "model") != model) continue;
    return {{"run_id", run.id},
            {"schedule_id", member(run.result, "schedule_id")},
            {"position", member(run.result, "position")},
            {"span_us", member(trace, "span_us")},
            {"bottleneck", member(trace, "bottleneck")},
            {"largest_loss", member(trace, "largest_loss")}};
  }
  return nullptr;
}

ToolResult run(RunStore& store, const Json& arguments, CallContext& context) {
  Json all = arguments;
  all["workspace"] = store.workspace().string();
  const Result<std::vector<std::string>> command = amk_command("propose", all, "model");
  if (!command) return failure(command.error());
  Result<Json> document = run_amk(*command, kDeadline, context);
  if (!document) return failure(document.error());
  const Story told = story(*document);
  ToolResult out;
  out.structured = {{"summary", told.summary}, {"next", told.next}};
  for (const char* key :
       {"model", "gpu", "context", "incumbent", "campaign", "advice", "knobs", "proposals", "findings", "notes"}) {
    if (document->contains(key)) out.structured[key] = (*document)[key];
  }
  out.structured["last_trace"] = last_trace(store, arguments["model"]);
  return out;
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
  out.call = [&store](const Json& arguments, CallContext& context) { return run(store, arguments, context); };
  return out;
}

}  // namespace amk::mcp
