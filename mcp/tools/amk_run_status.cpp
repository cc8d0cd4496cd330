// amk_run_status: how a run stands, waiting for its end for a while.
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Tool amk_run_status(RunStore& store) {
  Tool out;
  out.name = "amk_run_status";
  out.title = "Wait for a run and read its result";
  out.description =
      "Says how a run stands that another tool started, and what came of it; waits for its end for up to wait_s "
      "seconds. Runs "
      "of earlier servers on the same workspace are found, too. Cancelling this call does not end the run.";
  out.input_schema = object_schema(
      with_wait({{"run_id", text_property("As the tool that started it said; amk_runs lists them.", 64)}}), {"run_id"},
      {{"run_id", "20261122-233250123-eval-5f3c"}, {"wait_s", 60}});
  out.output_schema = run_schema();
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto id = arguments["run_id"].get<std::string>();
    // What was noted before has been told to whoever waited then; the whole log is a resource.
    const Result<Run> run = wait_for_run(store, id, wait_seconds(arguments), context, store.log_end(id));
    if (!run) return failure(run.error());
    return run_result(*run);
  };
  return out;
}

}  // namespace amk::mcp
