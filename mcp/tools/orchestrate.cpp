#include "mcp/tools/orchestrate.h"

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::seconds kDeadline{30};

}  // namespace

Json with_plan(Json properties) {
  properties["plan"] = text_property("The plan's name; default: default. amk_autoresearch makes plans.", 64);
  return properties;
}

Result<std::vector<std::string>> orchestrate_command(const RunStore& store, const std::string& action,
                                                     const Json& arguments) {
  Json all = arguments;
  all["workspace"] = store.workspace().string();
  all["action"] = action;
  return amk_command("orchestrate", all, "action", {"wait_s"});
}

Result<Json> ask_orchestrate(const RunStore& store, const std::string& action, const Json& arguments,
                             CallContext& context) {
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> command, orchestrate_command(store, action, arguments));
  return run_amk(command, kDeadline, context);
}

Json standing_schema() {
  return typed(
      "object",
      "campaign, model, weights, gpu, begun, latency_us, latency_kind (measured-gpu or predicted), floor_us, "
      "headroom_pct, speedup, trials, kept, reverts_in_a_row, expected_gain_pct, moved_on (the rule, or null), "
      "why.");
}

}  // namespace amk::mcp
