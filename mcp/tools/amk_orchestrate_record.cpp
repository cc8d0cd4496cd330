// amk_orchestrate_record: a candidate from outside, judged by the gate and remembered.
#include <fmt/format.h>

#include "mcp/tools/orchestrate.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story orchestrate_record_story(const Json& record) {
  const Json& trial = member(record, "trial");
  const std::string outcome = text_in(trial, "outcome");
  return {fmt::format("Trial {} of {}, {}: {} ({}).", to_line(member(trial, "trial")), text_in(record, "campaign"),
                      text_in(trial, "change"), outcome, text_in(trial, "reason")),
          outcome == "kept" ? "It is the incumbent now. amk_orchestrate_next says where to go on."
                            : "The incumbent stays as it was. amk_orchestrate_next shows the knobs that address its "
                              "bottleneck."};
}

Tool amk_orchestrate_record(RunStore& store) {
  Tool out;
  out.name = "amk_orchestrate_record";
  out.title = "Judge a schedule of yours as a campaign's next trial";
  out.description =
      "Puts a schedule that you propose through the same gate as every candidate of a campaign: lowered, validated, "
      "verified against the oracle, compared with the incumbent; kept or reverted, and remembered with your note. "
      "Knobs that the schedule leaves out are the incumbent's. Nothing can bypass the gate. Starts a run: where it "
      "does "
      "not end within wait_s, ask amk_run_status with its run_id.";
  Json properties = with_schedule(Json::object());
  const Json schedule = properties["schedule"];
  out.input_schema = object_schema(
      with_wait(with_plan({{"campaign", text_property("Its name, as amk_orchestrate_status lists it.", 64)},
                           {"schedule", schedule},
                           {"note", text_property("Why you propose it; it stays with the trial.", 1000)}})),
      {"campaign", "schedule"},
      {{"campaign", "toy-h100-predicted"}, {"schedule", {{"pipelining_depth", 8}}}, {"note", "a deeper ring"}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path&) { return orchestrate_command(store, "record", arguments); };
    return start_run(store, "amk_orchestrate_record", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
