// amk_doctor: what this machine has, and what will work on it.
#include <fmt/format.h>

#include <cstdlib>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::seconds kDeadline{90};  // a driver's first call can take a minute

/// Variables that change what works, and which clients do not always pass on.
Json environment() {
  Json out = Json::object();
  for (const char* name :
       {"AMK_HOME", "AMK_NVRTC", "AMK_CUBLAS", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"}) {
    const char* value = std::getenv(name);
    out[name] = value == nullptr ? Json(nullptr) : Json(value);
  }
  return out;
}

ToolResult run(const RunStore& store, CallContext& context) {
  const Result<std::vector<std::string>> command = amk_command("doctor", Json::object(), "");
  if (!command) return failure(command.error());
  Result<Json> document = run_amk(*command, kDeadline, context);
  if (!document) return failure(document.error());
  document->erase("workspace");  // the command line's; the server's is below
  const Json& gpus = member(*document, "gpus");
  const std::string problem = text_in(member(*document, "cuda"), "problem");
  ToolResult out;
  out.structured = {
      {"summary", gpus.empty()
                      ? "No GPU here: " + problem +
                            ". Programs are compiled, validated and verified on the CPU; latencies are predicted."
                      : fmt::format("{} GPU(s), the first a {}.", gpus.size(), text_in(gpus[0], "name"))},
      {"next", gpus.empty() ? "amk_models, then amk_propose or amk_eval; amk_bench and amk_trace need a GPU."
                            : "amk_models, then amk_eval, amk_bench or amk_trace."},
      {"workspace", store.workspace().string()},
      {"environment", environment()},
      {"doctor", std::move(*document)}};
  return out;
}

}  // namespace

Tool amk_doctor(const RunStore& store) {
  Tool out;
  out.name = "amk_doctor";
  out.title = "What this machine has and can do";
  out.description =
      "Says what this machine has (CPU, GPUs, CUDA driver, NVRTC, cuBLAS), which AMK tools will work on it and why "
      "not, where "
      "the workspace is, and which environment variables the server was given. Call it first, and whenever something "
      "about "
      "a GPU fails.";
  out.input_schema = object_schema(Json::object(), Json::array(), Json::object());
  out.output_schema = result_schema(
      {{"workspace", typed("string", "Where runs are kept.")},
       {"environment", typed("object", "Variables that matter, as this server has them; null: unset.")},
       {"doctor",
        typed("object", "As amk doctor --json: amk, machine, cuda, gpus, cache, targets, models, abilities.")}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json&, CallContext& context) { return run(store, context); };
  return out;
}

}  // namespace amk::mcp
