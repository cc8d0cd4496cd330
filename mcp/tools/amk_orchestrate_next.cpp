// amk_orchestrate_next: which campaign of a plan to work on, why, and how.
#include <fmt/format.h>

#include "mcp/tools/orchestrate.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

ToolResult run(const RunStore& store, const Json& arguments, CallContext& context) {
  const Result<Json> found = ask_orchestrate(store, "next", arguments, context);
  if (!found) return failure(found.error());
  const bool any = member(*found, "campaign").is_string();
  ToolResult out;
  out.structured = {
      {"summary", any ? fmt::format("Work on {}: {}.", text_in(*found, "campaign"), text_in(*found, "why"))
                      : std::string("All campaigns of the plan have moved on.")},
      {"next", any ? "Start amk_autoresearch with the arguments under mcp, or propose a schedule of your own by "
                     "amk_orchestrate_record: knobs says which address the bottleneck."
                   : "amk_orchestrate_report writes what came of it; amk_autoresearch with other models goes on."}};
  for (const char* key : {"plan", "campaign", "why", "standing", "bottleneck", "knobs", "command", "mcp"})
    out.structured[key] = member(*found, key);
  if (!out.structured["knobs"].is_array()) out.structured["knobs"] = Json::array();
  return out;
}

}  // namespace

Tool amk_orchestrate_next(RunStore& store) {
  Tool out;
  out.name = "amk_orchestrate_next";
  out.title = "Which campaign of a plan to work on next";
  out.description =
      "Says which campaign of a plan a trial is best spent on, and why (headroom above the floor, what trials won of "
      "late, how long nothing was kept), what its last trace or the cost model says is its bottleneck, the knobs that "
      "address that, and what to run. Nothing is run.";
  out.input_schema = object_schema(with_plan(Json::object()), Json::array(), {{"plan", "default"}});
  out.output_schema = result_schema(
      {{"plan", typed("string", "Its name.")},
       {"campaign", or_null("string", "To work on; null where all have moved on.")},
       {"why", or_null("string", "With the numbers that decided it.")},
       {"standing", {{"type", {"object", "null"}}, {"description", "As amk_orchestrate_status has it."}}},
       {"bottleneck", or_null("object",
                              "source (trace or cost-model), bottleneck, largest_loss, text; null where the "
                              "campaign has not begun.")},
       {"knobs",
        {{"type", "array"}, {"items", typed("object", "knob, addresses (the loss), how, present, neighbours.")}}},
       {"command", or_null("string", "What a person would type.")},
       {"mcp", or_null("object", "tool and arguments: what an agent would call.")}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext& context) { return run(store, arguments, context); };
  return out;
}

}  // namespace amk::mcp
