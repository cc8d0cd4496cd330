// amk_compile: the bundle of a schedule that is valid and correct.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story compile_story(const Json& verdict) {
  const Json& bundle = member(verdict, "bundle");
  if (!bundle.is_string()) {
    return {"No bundle: only a program that is valid and correct gets one. " + eval_story(verdict).summary,
            "Mend the schedule with amk_eval first."};
  }
  return {fmt::format("Bundle written to {}. {}", bundle.get<std::string>(), eval_story(verdict).summary),
          "Give the bundle to amk_generate as \"source\"; its report.md says what was established."};
}

Tool amk_compile(RunStore& store) {
  Tool out;
  out.name = "amk_compile";
  out.title = "Compile a model into a verified bundle";
  out.description =
      "Compiles a model by a schedule and, where the program is valid and correct, writes its bundle (program, kernel, "
      "manifest, verdict, report) into the run's folder. Starts a run: where it does not end within wait_s, ask "
      "amk_run_status with its run_id.";
  out.input_schema = object_schema(
      with_wait(with_device(with_schedule(
          {{"model", model_property()},
           {"positions", integer_property("Positions compared with the oracle.", 1, 1048576, 16)},
           {"seed", integer_property("Seed of the tokens that are fed for that.", 0, 9007199254740991, 1)}}))),
      {"model"}, {{"model", "models/shakespeare-llama-3m"}, {"gpu", "h100"}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path& folder) {
      Json all = arguments;
      all["out"] = folder.string();
      return amk_command("compile", all, "model", {"wait_s"});
    };
    return start_run(store, "amk_compile", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
