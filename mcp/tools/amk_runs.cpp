// amk_runs: the runs of the workspace, newest first.
#include <fmt/format.h>

#include <algorithm>

#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

ToolResult run(RunStore& store, const Json& arguments) {
  Json runs = Json::array();
  size_t going = 0;
  for (const Run& one : store.list(arguments.value("count", size_t{20}))) {
    if (!one.ended()) ++going;
    const Json whole = run_json(one);
    Json short_form = Json::object();
    for (const char* key : {"run_id", "tool", "state", "started", "elapsed_s", "summary", "folder"})
      short_form[key] = whole[key];
    runs.push_back(std::move(short_form));
  }
  ToolResult out;
  out.structured = {
      {"summary", fmt::format("{} run(s) listed, {} of them queued or running.", runs.size(), going)},
      {"next",
       runs.empty()
           ? "amk_eval, amk_quantize, amk_compile, amk_generate, amk_bench, amk_trace and amk_autoresearch start runs."
           : "amk_run_status has the result of one."},
      {"workspace", store.workspace().string()},
      {"runs", std::move(runs)}};
  return out;
}

}  // namespace

Tool amk_runs(RunStore& store) {
  Tool out;
  out.name = "amk_runs";
  out.title = "List the workspace's runs";
  out.description =
      "Lists the runs of the workspace, newest first, those of earlier servers included, with their state and what "
      "came of them.";
  out.input_schema =
      object_schema({{"count", integer_property("How many at most.", 1, 100, 20)}}, Json::array(), {{"count", 10}});
  Json one = {{"run_id", {{"type", "string"}}},  {"tool", {{"type", "string"}}},      {"state", {{"type", "string"}}},
              {"started", {{"type", "string"}}}, {"elapsed_s", {{"type", "number"}}}, {"summary", {{"type", "string"}}},
              {"folder", {{"type", "string"}}}};
  out.output_schema =
      result_schema({{"workspace", typed("string", "Where runs are kept.")},
                     {"runs", {{"type", "array"}, {"items", {{"type", "object"}, {"properties", std::move(one)}}}}}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [&store](const Json& arguments, CallContext&) { return run(store, arguments); };
  return out;
}

}  // namespace amk::mcp
