// Every tool, one file each.
#pragma once

#include <string>
#include <vector>

#include "mcp/core/tool.h"
#include "mcp/runs/run_store.h"
#include "mcp/tools/run_tool.h"

namespace amk::mcp {

[[nodiscard]] Tool amk_doctor(const RunStore& store);
[[nodiscard]] Tool amk_models();
[[nodiscard]] Tool amk_propose(RunStore& store);
[[nodiscard]] Tool amk_validate();
[[nodiscard]] Tool amk_eval(RunStore& store);
[[nodiscard]] Tool amk_quantize(RunStore& store);
[[nodiscard]] Tool amk_compile(RunStore& store);
[[nodiscard]] Tool amk_generate(RunStore& store);
[[nodiscard]] Tool amk_bench(RunStore& store);
[[nodiscard]] Tool amk_trace(RunStore& store);
[[nodiscard]] Tool amk_loop(RunStore& store);
[[nodiscard]] Tool amk_history(const RunStore& store);
[[nodiscard]] Tool amk_autoresearch(RunStore& store);
[[nodiscard]] Tool amk_orchestrate_status(RunStore& store);
[[nodiscard]] Tool amk_orchestrate_next(RunStore& store);
[[nodiscard]] Tool amk_orchestrate_record(RunStore& store);
[[nodiscard]] Tool amk_orchestrate_report(RunStore& store);
[[nodiscard]] Tool amk_run_status(RunStore& store);
[[nodiscard]] Tool amk_run_cancel(RunStore& store);
[[nodiscard]] Tool amk_runs(RunStore& store);

/// All of them, in the order in which they are listed. `store` outlives them.
[[nodiscard]] std::vector<Tool> all_tools(RunStore& store);

/// Who says what came of a run of that tool; null where it starts none.
[[nodiscard]] Tell teller_of(const std::string& tool);
Story eval_story(const Json& verdict);
Story quantize_story(const Json& report);
Story compile_story(const Json& verdict);
Story generate_story(const Json& text);
Story bench_story(const Json& report);
Story trace_story(const Json& trace);
Story loop_story(const Json& document);
Story autoresearch_story(const Json& night);
Story orchestrate_record_story(const Json& record);
Story orchestrate_report_story(const Json& report);
/// Of any verb's document about a program that the validator refused.
Story refusal_story(const Json& verdict);

/// Those that --read-only and --tools leave: `names` empty is all. kUsage for a name of none, and where
/// none is left.
Result<std::vector<Tool>> chosen_tools(std::vector<Tool> tools, bool read_only, const std::vector<std::string>& names);

/// What the model behind a client is told about this server.
[[nodiscard]] std::string server_instructions();

}  // namespace amk::mcp
