// amk_run_cancel: a run ended.
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Tool amk_run_cancel(RunStore& store) {
  Tool out;
  out.name = "amk_run_cancel";
  out.title = "End a run";
  out.description =
      "Ends a run that is queued or running; what it was working on is lost, its folder and log stay. A run that has "
      "ended "
      "stays as it is.";
  out.input_schema =
      object_schema({{"run_id", text_property("As the tool that started it said; amk_runs lists them.", 64)}},
                    {"run_id"}, {{"run_id", "20261122-233250123-eval-5f3c"}});
  out.output_schema = run_schema();
  out.annotations = {.destructive = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext&) {
    const Result<Run> run = store.cancel(arguments["run_id"].get<std::string>());
    if (!run) return failure(run.error());
    return run_result(*run);
  };
  return out;
}

}  // namespace amk::mcp
