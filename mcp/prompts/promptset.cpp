#include "mcp/prompts/promptset.h"

#include "mcp/tools/completions.h"

namespace amk::mcp {

std::vector<Prompt> all_prompts(const RunStore& store) {
  return {optimize_prompt(), autoresearch_prompt(), compile_prompt(), diagnose_prompt(store)};
}

std::string given(const Json& arguments, const char* name, const std::string& otherwise) {
  const Json& value = member(arguments, name);
  return value.is_string() && !value.get_ref<const std::string&>().empty() ? value.get<std::string>() : otherwise;
}

PromptArgument model_argument() {
  return {"model", "A checkpoint's folder, or a built-in model such as toy.", true, complete_model()};
}

PromptArgument target_argument() {
  return {"gpu", "The GPU that it is for; auto (default): this machine's, else h100.", false, complete_target()};
}

}  // namespace amk::mcp
