// Every prompt, one file each.
#pragma once

#include <string>
#include <vector>

#include "mcp/core/prompt.h"
#include "mcp/runs/run_store.h"

namespace amk::mcp {

[[nodiscard]] Prompt optimize_prompt();
[[nodiscard]] Prompt autoresearch_prompt();
[[nodiscard]] Prompt compile_prompt();
[[nodiscard]] Prompt diagnose_prompt(const RunStore& store);

/// All of them, in the order in which they are listed. `store` outlives them.
[[nodiscard]] std::vector<Prompt> all_prompts(const RunStore& store);

/// The argument's text; `otherwise` where it is not given, or empty.
[[nodiscard]] std::string given(const Json& arguments, const char* name, const std::string& otherwise);

[[nodiscard]] PromptArgument model_argument();
[[nodiscard]] PromptArgument target_argument();

}  // namespace amk::mcp
