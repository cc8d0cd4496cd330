// amk-optimize: a faster schedule for one model, found by hand.
#include <fmt/format.h>

#include "mcp/prompts/promptset.h"

namespace amk::mcp {

Prompt optimize_prompt() {
  Prompt out;
  out.name = "amk-optimize";
  out.title = "Make a model faster";
  out.description = "Finds a faster schedule for a model, one reasoned change at a time.";
  out.arguments = {model_argument(),
                   target_argument(),
                   {"goal", "When to stop, such as '10% faster' or '20 evaluations'.", false, {}}};
  out.messages = [](const Json& arguments) {
    return Json::array({user_message(fmt::format(
        "Make the AMK megakernel of {} faster for the GPU \"{}\". Stop at: {}.\n"
        "\n"
        "1. amk_doctor: is there a GPU that measures, or are latencies predicted? Never compare the two kinds.\n"
        "2. amk_propose with this model and gpu: the incumbent, its bottleneck and what single changes are predicted "
        "to do. "
        "Where a GPU measures, amk_trace says where the time really goes.\n"
        "3. Say in one sentence what limits the program and which knob answers that. Then amk_eval with only that "
        "change in "
        "\"schedule\". Keep it only where the verdict is correct and the latency is lower by more than noise; "
        "otherwise go "
        "back to the last schedule that was kept.\n"
        "4. Repeat from 2, giving the kept schedule to amk_propose. Try combinations that interact (tiling with the "
        "pipeline's depth) when single changes are used up. amk_loop searches on its own where many trials are "
        "wanted.\n"
        "5. At the end: amk_compile with the best schedule, and a table of what was tried, its latency with its "
        "latency_kind, kept or not, and why.\n"
        "\n"
        "The knobs are explained in amk://tables/knobs, the schema of a schedule is amk://schema/schedule.",
        given(arguments, "model", ""), given(arguments, "gpu", "auto"),
        given(arguments, "goal", "no change that is predicted or measured to help is left")))});
  };
  return out;
}

}  // namespace amk::mcp
