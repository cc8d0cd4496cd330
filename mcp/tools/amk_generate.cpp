// amk_generate: a prompt continued by a validated program.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr size_t kPromptCharactersMax = 30000;  // a command line's argument holds 128 KiB
constexpr size_t kPromptIdsMax = 16384;

Status check_prompt(const Json& arguments) {
  if (arguments.contains("prompt") != arguments.contains("prompt_ids")) return {};
  return Error{
      ErrorCode::kUsage,
      fmt::format("expected one of prompt and prompt_ids, found {}", arguments.contains("prompt") ? "both" : "neither"),
      "prompt", "give \"prompt\" where the model has a tokenizer, else \"prompt_ids\", as in [1, 2, 3]"};
}

ToolResult run(RunStore& store, const Json& arguments, CallContext& context) {
  if (const Status prompt = check_prompt(arguments); !prompt) return failure(prompt.error());
  const auto command = [&](const std::filesystem::path&) {
    return amk_command("generate", arguments, "source", {"wait_s"});
  };
  return start_run(store, "amk_generate", arguments, command, context);
}

}  // namespace

Story generate_story(const Json& text) {
  const Json& verified = member(text, "verified");
  const std::string checked = verified.is_null()                   ? "not compared with the oracle"
                              : member(verified, "agrees") == true ? "every position agrees with the oracle"
                                                                   : "it DIFFERS from the oracle";
  return {fmt::format("{} tokens at {} tokens/s on {}; {}; stopped by {}.", member(text, "generated_ids").size(),
                      number_text(member(text, "tokens_per_second")), text_in(text, "device"), checked,
                      text_in(text, "stop_reason")),
          "The text is result.text, the tokens are result.generated_ids."};
}

Tool amk_generate(RunStore& store) {
  Tool out;
  out.name = "amk_generate";
  out.title = "Continue a prompt with a compiled model";
  out.description =
      "Continues a prompt by a validated program, compiled on the way from a model or taken from a bundle. With "
      "verify, every "
      "position is compared with the oracle. Starts a run: where it does not end within wait_s, ask amk_run_status "
      "with its "
      "run_id.";
  Json ids = {{"type", "array"},
              {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967295}}},
              {"minItems", 1},
              {"maxItems", kPromptIdsMax}};
  ids["description"] =
      "Token ids to continue, instead of prompt: for models without a tokenizer, as the built-in ones. From 1 to 16384 "
      "of them.";
  out.input_schema = object_schema(
      with_wait(with_device(with_schedule(
          {{"source", text_property("A checkpoint's directory, a built-in model, or a bundle that amk_compile wrote.")},
           {"prompt", text_property("Text to continue; at most 30000 characters.", kPromptCharactersMax)},
           {"prompt_ids", std::move(ids)},
           {"max_tokens", integer_property("Tokens to generate at most.", 0, 1048576, 64)},
           {"temperature",
            {{"type", "number"},
             {"minimum", 0},
             {"maximum", 100},
             {"default", 0},
             {"description", "0 takes the best token, more takes chances. From 0 to 100; default 0."}}},
           {"top_k", integer_property("Draw among the K best; 0 is all.", 0, 4294967295, 0)},
           {"top_p",
            {{"type", "number"},
             {"exclusiveMinimum", 0},
             {"maximum", 1},
             {"default", 1},
             {"description", "Draw among the fewest that sum to this. Above 0, at most 1; default 1."}}},
           {"seed", integer_property("Seed of the draws.", 0, 9007199254740991, 0)},
           {"ignore_eos", flag_property("Go on after the model's stop tokens.")},
           {"verify", flag_property("Compare every position with the oracle.")},
           {"model_dir", text_property("Where a bundle's model is now, where it has moved.")}}))),
      {"source"},
      {{"source", "models/shakespeare-llama-3m"}, {"prompt", "ROMEO:"}, {"max_tokens", 32}, {"verify", true}});
  out.output_schema = run_schema();
  out.starts_run = true;
  out.call = [&store](const Json& arguments, CallContext& context) { return run(store, arguments, context); };
  return out;
}

}  // namespace amk::mcp
