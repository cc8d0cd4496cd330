// amk_trace: where a pass's time goes, on this machine's GPU.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story trace_story(const Json& trace) {
  const Json& summary = member(trace, "trace");
  if (!summary.is_object()) {
    return {"Not traced: the megakernel is NOT correct.", "Read result.agreement; amk_eval says more of the schedule."};
  }
  return {fmt::format("{} on {}: {} us (floor {} us); bottleneck {}, largest loss {}.", text_in(trace, "model"),
                      text_in(trace, "device"), number_text(member(summary, "span_us")),
                      number_text(member(summary, "floor_us")), text_in(summary, "bottleneck"),
                      text_in(summary, "largest_loss")),
          "result.trace.operations says which operation loses most; amk_propose shows the knobs. The timeline is among "
          "the files."};
}

Tool amk_trace(RunStore& store) {
  Tool out;
  out.name = "amk_trace";
  out.title = "Trace where a pass's time goes on the GPU";
  out.description =
      "Runs a build of the megakernel that stamps the clock, and says where the time of a pass goes: streaming, "
      "computing, "
      "waiting, skew; for each operation, level and SM. Writes a timeline (SVG) and events for ui.perfetto.dev into "
      "the run's "
      "folder. Needs a GPU, and fails with what is missing without one. Starts a run: where it does not end within "
      "wait_s, "
      "ask amk_run_status with its run_id.";
  out.input_schema = object_schema(
      with_wait(
          with_schedule({{"model", model_property()},
                         {"position", integer_property("Position of the pass, below the context.", 0, 1048575, 0)},
                         {"runs", integer_property("Traced launches; the median one is reported.", 1, 1000, 21)}})),
      {"model"}, {{"model", "synthetic:llama-3.2-1b"}, {"position", 0}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path& folder) {
      Json all = arguments;
      all["svg"] = (folder / "trace.svg").string();
      all["workspace"] = store.workspace().string();
      all["perfetto"] = (folder / "trace.perfetto.json").string();
      return amk_command("trace", all, "model", {"wait_s"});
    };
    return start_run(store, "amk_trace", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
