// amk_bench: the megakernel against its rivals on this machine's GPU.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story bench_story(const Json& report) {
  if (!report.value("correct", false)) {
    return {"Not timed: the megakernel is NOT correct.", "Read result.agreement; amk_eval says more of the schedule."};
  }
  std::string out = fmt::format("{} on {}:", text_in(report, "model"), text_in(report, "device"));
  for (const Json& at : member(report, "positions")) {
    out += fmt::format(" at position {},", to_line(member(at, "position")));
    for (const Json& of : member(at, "contenders")) {
      out += fmt::format(" {} {} us;", text_in(of, "name"), number_text(member(of, "latency_us")));
    }
  }
  out.back() = '.';
  return {out, "amk_trace says where the megakernel's time goes."};
}

Tool amk_bench(RunStore& store) {
  Tool out;
  out.name = "amk_bench";
  out.title = "Benchmark against cuBLAS on this machine's GPU";
  out.description =
      "Times one token of a model on this machine's GPU, paired in one process: the megakernel, cuBLAS's products "
      "alone, and "
      "a whole step of cuBLAS in a CUDA graph; with the memory's limit as the floor. Needs a GPU, and fails with what "
      "is "
      "missing without one. Starts a run: where it does not end within wait_s, ask amk_run_status with its run_id.";
  Json positions = {{"type", "array"},
                    {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", 1048575}}},
                    {"minItems", 1},
                    {"maxItems", 32},
                    {"default", {0}}};
  positions["description"] = "Positions to measure at, each below the context. From 1 to 32 of them; default [0].";
  out.input_schema = object_schema(
      with_wait(with_schedule(
          {{"model", model_property()},
           {"positions", std::move(positions)},
           {"rounds", integer_property("Rounds that every contender is timed in.", 1, 100000, 200)},
           {"checked", integer_property("Positions compared with the oracle before.", 1, 1048576, 8)},
           {"seed", integer_property("Seed of tokens, histories and the bootstrap.", 0, 9007199254740991, 1)},
           {"no_rivals", flag_property("Measure the megakernel alone.")}})),
      {"model"}, {{"model", "synthetic:llama-3.2-1b"}, {"positions", {0, 2047}}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path& folder) {
      Json all = arguments;
      all["svg"] = (folder / "bench.svg").string();
      return amk_command("bench", all, "model", {"wait_s"});
    };
    return start_run(store, "amk_bench", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
