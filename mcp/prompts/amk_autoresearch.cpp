// amk-autoresearch: a campaign of many trials that goes on by itself.
#include <fmt/format.h>

#include "mcp/prompts/promptset.h"

namespace amk::mcp {

Prompt autoresearch_prompt() {
  Prompt out;
  out.name = "amk-autoresearch";
  out.title = "Research a model's schedule unattended";
  out.description = "Runs campaigns of the research loop, learns from their history, and reports what held.";
  out.arguments = {model_argument(), target_argument(), {"minutes", "How long at most; default 30.", false, {}}};
  out.messages = [](const Json& arguments) {
    return Json::array({user_message(fmt::format(
        "Research the schedule of {} for the GPU \"{}\" with AMK, unattended, for at most {} minutes in all.\n"
        "\n"
        "1. Read amk://docs/research-loop once. amk_doctor says whether latencies will be measured or predicted.\n"
        "2. amk_history: what campaigns of this model are there, what was kept, what was refused and why?\n"
        "3. Write down two or three hypotheses about what limits the program, from amk_propose and, on a GPU, "
        "amk_trace.\n"
        "4. For each hypothesis one campaign: amk_loop with a name of its own in \"campaign\", a start that expresses "
        "the "
        "hypothesis in \"schedule\", and a bound in \"trials\" or \"minutes\". Wait with amk_run_status; it reports "
        "trials, the best so far and the time left.\n"
        "5. Read each with amk_history. A change that only one campaign kept is a hint; one that several kept is a "
        "finding.\n"
        "6. Judge the best schedule once more with amk_eval and a seed that no campaign used, then amk_compile it.\n"
        "7. Report: the hypotheses and what became of them, the best schedule against the start with latency_kind, "
        "what was "
        "refused by the validator, and what to try next.\n"
        "\n"
        "Never touch a campaign's history by hand, and never call a predicted latency measured.",
        given(arguments, "model", ""), given(arguments, "gpu", "auto"), given(arguments, "minutes", "30")))});
  };
  return out;
}

}  // namespace amk::mcp
