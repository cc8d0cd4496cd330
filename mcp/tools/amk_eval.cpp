// amk_eval: whether a schedule is valid, correct and how fast.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story eval_story(const Json& verdict) {
  const std::string what = fmt::format("{} on {}", text_in(verdict, "model"), text_in(verdict, "gpu"));
  if (!verdict.value("correct", false)) {
    return {fmt::format("{}: valid, but NOT correct: the largest difference from the oracle is {}, {} is allowed.",
                        what, to_line(member(verdict, "max_abs_err")), to_line(member(verdict, "tolerance"))),
            "Read result.notes and result.fault; go back to the last schedule that was correct."};
  }
  const std::string kind = member(verdict, "latency_kind") == "measured-gpu" ? "measured" : "predicted, not measured";
  return {fmt::format("{}: valid and correct; {} us a token ({}), {}% of the memory's limit; schedule {}.", what,
                      number_text(member(verdict, "latency_us")), kind, number_text(member(verdict, "pct_of_floor")),
                      text_in(verdict, "schedule_id")),
          "amk_propose says which knob to turn next; amk_compile keeps this schedule as a bundle."};
}

Tool amk_eval(RunStore& store) {
  Tool out;
  out.name = "amk_eval";
  out.title = "Evaluate a schedule: valid, correct, how fast";
  out.description =
      "Compiles a model by a schedule, proves the program safe, compares its logits with an independent oracle, and "
      "only "
      "then says its latency: measured where this machine has the GPU, else predicted (latency_kind says which; never "
      "compare the two). Starts a run: where it does not end within wait_s, ask amk_run_status with its run_id.";
  out.input_schema = object_schema(
      with_wait(with_device(with_schedule(
          {{"model", model_property()},
           {"positions", integer_property("Positions compared with the oracle.", 1, 1048576, 16)},
           {"seed", integer_property("Seed of the tokens that are fed for that.", 0, 9007199254740991, 1)},
           {"perplexity", text_property("A text file whose perplexity is computed too, by program and oracle.")}}))),
      {"model"}, {{"model", "toy"}, {"gpu", "h100"}, {"schedule", {{"pipelining_depth", 8}}}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path&) {
      return amk_command("eval", arguments, "model", {"wait_s"});
    };
    return start_run(store, "amk_eval", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
