// amk_orchestrate_status: how each campaign of a plan stands.
#include <fmt/format.h>

#include "mcp/tools/orchestrate.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

ToolResult run(const RunStore& store, const Json& arguments, CallContext& context) {
  Result<Json> found = ask_orchestrate(store, "status", arguments, context);
  if (!found) return failure(found.error());
  size_t moved_on = 0;
  size_t trials = 0;
  for (const Json& one : member(*found, "campaigns")) {
    moved_on += member(one, "moved_on").is_string() ? 1 : 0;
    trials += one.value("trials", size_t{0});
  }
  const size_t count = member(*found, "campaigns").size();
  ToolResult out;
  out.structured = {{"summary", fmt::format("Plan {}: {} campaign(s), {} moved on, {} trial(s) so far.",
                                            text_in(*found, "plan"), count, moved_on, trials)},
                    {"next", moved_on == count ? "amk_orchestrate_report writes what came of it."
                                               : "amk_orchestrate_next says which campaign to work on, and why."}};
  out.structured.update(*found);
  return out;
}

}  // namespace

Tool amk_orchestrate_status(RunStore& store) {
  Tool out;
  out.name = "amk_orchestrate_status";
  out.title = "How each campaign of a plan stands";
  out.description =
      "Lists the campaigns of a plan: latency, floor, headroom, trials, reverts in a row, and by which rule a campaign "
      "was left. Latencies say whether they are measured or predicted; never compare the two. Nothing is run.";
  out.input_schema = object_schema(with_plan(Json::object()), Json::array(), {{"plan", "default"}});
  out.output_schema =
      result_schema({{"plan", typed("string", "Its name.")},
                     {"slices", typed("integer", "How often autoresearch gave trials to a campaign.")},
                     {"last", or_null("object", "The last slice: campaign, trials, kept, ended_by, why.")},
                     {"campaigns", {{"type", "array"}, {"items", standing_schema()}}}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext& context) { return run(store, arguments, context); };
  return out;
}

}  // namespace amk::mcp
