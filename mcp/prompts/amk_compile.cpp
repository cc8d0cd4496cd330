// amk-compile: a model to a bundle that has been shown to be right.
#include <fmt/format.h>

#include "mcp/prompts/promptset.h"

namespace amk::mcp {

Prompt compile_prompt() {
  Prompt out;
  out.name = "amk-compile";
  out.title = "Compile a model";
  out.description = "Compiles a model into a verified bundle and lets it write something.";
  out.arguments = {model_argument(),
                   target_argument(),
                   {"weights", "What matrices are quantised to, such as int8; default: as stored.", false, {}}};
  out.messages = [](const Json& arguments) {
    return Json::array({user_message(fmt::format(
        "Compile {} with AMK for the GPU \"{}\", weights {}.\n"
        "\n"
        "1. amk_models with the model's folder, where it is one: has it a \"problem\"?\n"
        "2. amk_validate, and mend what it finds; then amk_compile. Wait with amk_run_status where it takes longer.\n"
        "3. Read the run's report (amk://runs/RUN_ID/report): is it correct, and by how much does it differ from the "
        "oracle?\n"
        "4. amk_generate from the bundle with verify, a short prompt (prompt_ids where the model has no tokenizer).\n"
        "5. Say where the bundle is, what was established about it and what was not.",
        given(arguments, "model", ""), given(arguments, "gpu", "auto"), given(arguments, "weights", "stored")))});
  };
  return out;
}

}  // namespace amk::mcp
