// amk_quantize: what quantising a model's weights costs and saves.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {

Story quantize_story(const Json& report) {
  const Json& oracle = member(report, "oracle");
  const Json& ratio = member(member(member(report, "bytes"), "streamed"), "ratio");
  const Json& same = member(oracle, "top1_agreement");
  const std::string format = text_in(member(report, "weights"), "format");
  std::string out = fmt::format(
      "{} with weights {}: a token streams {}% of the bytes; the best token is the same at {}% of {} positions, the KL "
      "divergence is {} nats a position.",
      text_in(report, "model"), format, ratio.is_number() ? number_text(100 * ratio.get<double>()) : "unknown",
      same.is_number() ? number_text(100 * same.get<double>()) : "unknown", to_line(member(oracle, "positions")),
      number_text(member(oracle, "mean_kl_nats"), 5));
  const Json& perplexity = member(report, "perplexity");
  if (perplexity.is_object()) {
    out += fmt::format(" Perplexity {} as stored, {} quantised.", number_text(member(perplexity, "stored"), 3),
                       number_text(member(perplexity, "quantised"), 3));
  }
  return {out, fmt::format("amk_eval with weights \"{}\" says how fast it is then; a smaller group (:64) or int8 errs "
                           "less, and result.roles says where the error is.",
                           format)};
}

Tool amk_quantize(RunStore& store) {
  Tool out;
  out.name = "amk_quantize";
  out.title = "What quantised weights cost and save";
  out.description =
      "Compares a model with its weights as stored and quantised: bytes that a token streams, the error of every "
      "matrix, and, by the oracle on the same tokens, how far the logits and the next token's distribution move (of a "
      "text, perplexity too). Writes no model: weights are quantised as a checkpoint is read, by the argument weights "
      "of the other tools. Starts a run: where it does not end within wait_s, ask amk_run_status with its run_id.";
  Json positions = {{"type", "integer"}, {"minimum", 1}, {"maximum", 1048576}};
  positions["description"] = "Positions that both models are run for. From 1 to 1048576; default 16, or all of a text.";
  Json seed = {{"type", "integer"}, {"minimum", 0}, {"maximum", 9007199254740991}};
  seed["description"] = "Seed of the tokens that are fed; not beside a text. From 0 to 9007199254740991; default 1.";
  Json threads = {{"type", "integer"}, {"minimum", 1}, {"maximum", 1024}};
  threads["description"] = "Threads of the CPU to use. From 1 to 1024; default: every core.";
  out.input_schema = object_schema(
      with_wait({{"model", model_property()},
                 {"weights", choice_property("What every matrix is quantised to, with a scale for that many columns.",
                                             quantised_formats())},
                 {"positions", std::move(positions)},
                 {"seed", std::move(seed)},
                 {"text", text_property("A text file whose tokens are fed, and whose perplexity is computed.")},
                 {"threads", std::move(threads)}}),
      {"model", "weights"}, {{"model", "toy"}, {"weights", "int8"}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) {
    const auto command = [&](const std::filesystem::path&) {
      return amk_command("quantize", arguments, "model", {"wait_s"});
    };
    return start_run(store, "amk_quantize", arguments, command, context);
  };
  return out;
}

}  // namespace amk::mcp
