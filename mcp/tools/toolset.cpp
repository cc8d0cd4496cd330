#include "mcp/tools/toolset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace amk::mcp {
namespace {

struct Teller {
  std::string_view tool;
  Tell tell;
};

constexpr std::array kTellers = {
    Teller{"amk_eval", eval_story},
    Teller{"amk_quantize", quantize_story},
    Teller{"amk_compile", compile_story},
    Teller{"amk_generate", generate_story},
    Teller{"amk_bench", bench_story},
    Teller{"amk_trace", trace_story},
    Teller{"amk_loop", loop_story},
    Teller{"amk_autoresearch", autoresearch_story},
    Teller{"amk_orchestrate_record", orchestrate_record_story},
    Teller{"amk_orchestrate_report", orchestrate_report_story},
};

}  // namespace

std::vector<Tool> all_tools(RunStore& store) {
  return {
      amk_doctor(store),
      amk_models(),
      amk_propose(store),
      amk_validate(),
      amk_eval(store),
      amk_quantize(store),
      amk_compile(store),
      amk_generate(store),
      amk_bench(store),
      amk_trace(store),
      amk_loop(store),
      amk_history(store),
      amk_autoresearch(store),
      amk_orchestrate_status(store),
      amk_orchestrate_next(store),
      amk_orchestrate_record(store),
      amk_orchestrate_report(store),
      amk_run_status(store),
      amk_run_cancel(store),
      amk_runs(store),
  };
}

Tell teller_of(const std::string& tool) {
  const auto* found = std::ranges::find(kTellers, tool, &Teller::tool);
  return found == kTellers.end() ? nullptr : found->tell;
}

Story refusal_story(const Json& verdict) {
  const Json& findings = member(verdict, "findings");
  std::string first;
  if (!findings.empty()) first = ". First: " + findings[0].value("text", text_in(findings[0], "message"));
  return {fmt::format("The validator says {}, with {} finding{}{}", text_in(verdict, "verdict"), findings.size(),
                      findings.size() == 1 ? "" : "s", first),
          "Each finding has a \"mend\"; change the knobs that it names and try again."};
}

Result<std::vector<Tool>> chosen_tools(std::vector<Tool> tools, bool read_only, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::ranges::count(tools, name, &Tool::name) > 0) continue;
    std::vector<std::string_view> known;
    for (const Tool& tool : tools) known.push_back(tool.name);
    return Error{ErrorCode::kUsage,
                 fmt::format("expected names of tools, found '{}'{}", name, did_you_mean(name, known)), "--tools",
                 fmt::format("there are {}", join(known))};
  }
  std::erase_if(tools, [&](const Tool& tool) {
    return (read_only && !tool.annotations.read_only) || (!names.empty() && std::ranges::count(names, tool.name) == 0);
  });
  if (tools.empty()) {
    return Error{ErrorCode::kUsage, "expected a tool that is left, found that the options leave none", "--tools",
                 read_only ? "--read-only leaves only those that change nothing" : "name more, or exclude fewer"};
  }
  return tools;
}

std::string server_instructions() {
  return "AMK compiles a HuggingFace Llama-family checkpoint into one persistent GPU kernel (a megakernel) by a "
         "schedule of "
         "named knobs, proves the program safe, checks its output against an oracle, and only then says how fast it "
         "is.\n"
         "Start with amk_doctor (what this machine can do) and amk_models. To make a model faster: amk_propose shows "
         "the "
         "knobs and what turning each is predicted to do; amk_eval says of a schedule whether it is valid, correct and "
         "how "
         "fast; amk_trace says where the time goes, amk_bench compares with cuBLAS (both need a GPU). amk_quantize "
         "says what int8 or int4 weights cost and save. amk_compile "
         "writes "
         "the bundle of a schedule that is good, amk_generate runs it. amk_loop searches on its own and remembers "
         "every trial, amk_history tells what it tried; amk_autoresearch searches unattended over several models, "
         "amk_orchestrate_next says where to go on, amk_orchestrate_record judges a schedule of yours. Only latencies "
         "with latency_kind measured-gpu "
         "are "
         "measured; never compare them with predicted ones.\n"
         "Tools with a run_id start a run that outlives this server: where it does not end within wait_s, ask "
         "amk_run_status until its state is done, failed or cancelled.";
}

}  // namespace amk::mcp
