// amk_orchestrate_report: the wake-up report of a plan.
#include <fmt/format.h>

#include "mcp/tools/orchestrate.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story orchestrate_report_story(const Json& report) {
  return {fmt::format("The report on plan {}, {} campaign(s), is {}.", text_in(report, "plan"),
                      member(report, "campaigns").size(), text_in(report, "html")),
          "Read the Markdown beside it; the HTML page is for people. amk_orchestrate_next says where to go on."};
}

Tool amk_orchestrate_report(RunStore& store) {
  Tool out;
  out.name = "amk_orchestrate_report";
  out.title = "Write the report on a plan's campaigns";
  out.description =
      "Writes one HTML page and the same as Markdown about all campaigns of a plan: best schedule and its difference "
      "from the start, trajectory, each knob's effect, roofline, timelines of the SMs, what was tried and refused and "
      "why. Measured and predicted are labelled. Starts a run: where it does not end within wait_s, ask amk_run_status "
      "with its run_id.";
  out.input_schema = object_schema(with_wait(with_plan(Json::object())), Json::array(), {{"plan", "default"}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path& folder) {
      Json all = arguments;
      all["out"] = folder.string();
      return orchestrate_command(store, "report", all);
    };
    return start_run(store, "amk_orchestrate_report", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
