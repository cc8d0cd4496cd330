// amk_validate: whether a program is safe, and everything that is wrong with it.
#include <fmt/format.h>

#include "mcp/tools/amk_command.h"
#include "mcp/tools/schemas.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::seconds kDeadline{30};
constexpr size_t kFindingsMax = 40;

ToolResult run(const Json& arguments, CallContext& context) {
  const Result<std::vector<std::string>> command = amk_command("validate", arguments, "source");
  if (!command) return failure(command.error());
  Result<Json> findings = run_amk(*command, kDeadline, context);
  if (!findings) return failure(findings.error());
  const size_t count = findings->size();
  if (count > kFindingsMax)
    findings->erase(findings->begin() + static_cast<std::ptrdiff_t>(kFindingsMax), findings->end());
  ToolResult out;
  out.structured = {{"summary", count == 0 ? std::string("Accepted: the program is proven safe.")
                                           : fmt::format("Not accepted: {} finding(s). First: {}", count,
                                                         text_in((*findings)[0], "text"))},
                    {"next", count == 0 ? "amk_eval says whether it is correct and how fast."
                                        : "Each finding has a \"mend\"; change what it names and validate again."},
                    {"accepted", count == 0},
                    {"finding_count", count},
                    {"findings", std::move(*findings)}};
  return out;
}

}  // namespace

Tool amk_validate() {
  Tool out;
  out.name = "amk_validate";
  out.title = "Prove a program safe, or say what is wrong";
  out.description =
      "Proves that a program can neither hang, race nor overrun its memory, or lists every finding with what would "
      "mend it. "
      "Takes a model (lowered by the schedule given), a bundle or a program's JSON file; with the last two, no "
      "schedule "
      "arguments. At most 40 findings are returned.";
  out.input_schema =
      object_schema(with_schedule({{"source", text_property("A model (a checkpoint's directory or a built-in name), a "
                                                            "bundle's directory, or a program's JSON file.")}}),
                    {"source"}, {{"source", "toy"}, {"gpu", "h100"}});
  out.output_schema =
      result_schema({{"accepted", typed("boolean", "Whether it may run.")},
                     {"finding_count", typed("integer", "All of them.")},
                     {"findings",
                      {{"type", "array"},
                       {"items", typed("object", "rule, family, message, mend, tasks, buffer, begin, end, text.")}}}});
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = [](const Json& arguments, CallContext& context) { return run(arguments, context); };
  return out;
}

}  // namespace amk::mcp
