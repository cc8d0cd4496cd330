// amk-diagnose: what went wrong with a run, or with this machine.
#include <fmt/format.h>

#include "mcp/prompts/promptset.h"
#include "mcp/resources/artefacts.h"
#include "mcp/tools/completions.h"

namespace amk::mcp {
namespace {

std::string about_run(const std::string& id) {
  return fmt::format(
      "Find out what went wrong with the AMK run {}.\n"
      "\n"
      "1. amk_run_status with run_id \"{}\": its state, result and error.\n"
      "2. Read {} (what was asked for) and {} (what the program said).\n"
      "3. Tell apart: refused by the validator (its findings say what to mend), not correct (the oracle disagrees: "
      "where, and by how much), a GPU's fault, or a process that was killed.\n"
      "4. amk_doctor, where a GPU, a driver or a library is involved.\n"
      "5. Make it smaller: the same tool with the model toy, a short context, or gpu none. Does it still happen?\n"
      "6. Say what the cause is, how sure that is and why, and the call that mends it or shows it best.",
      id, id, artefact_uri(id, "request"), artefact_uri(id, "stderr"));
}

constexpr const char* kAboutMachine =
    "Find out what AMK can do on this machine and what stands in its way.\n"
    "\n"
    "1. amk_doctor: GPUs, driver, NVRTC, cuBLAS, environment.\n"
    "2. amk_eval of the model toy with gpu none: does the CPU path work?\n"
    "3. Where there is a GPU: amk_eval of toy, then amk_bench of toy.\n"
    "4. amk_runs: do earlier runs fail, and alike?\n"
    "5. Say what works, what does not, and for each what would mend it.";

}  // namespace

Prompt diagnose_prompt(const RunStore& store) {
  Prompt out;
  out.name = "amk-diagnose";
  out.title = "Find out what went wrong";
  out.description = "Looks into a run that failed or gave a bad verdict, or into this machine where no run is given.";
  out.arguments = {{"run_id", "The run; amk_runs lists them.", false, complete_run_id(store)}};
  out.messages = [](const Json& arguments) {
    const std::string id = given(arguments, "run_id", "");
    return Json::array({user_message(id.empty() ? kAboutMachine : about_run(id))});
  };
  return out;
}

}  // namespace amk::mcp
