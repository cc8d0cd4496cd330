#include "mcp/core/tool.h"

namespace amk::mcp {

ToolResult failure(const Error& error) {
  ToolResult out;
  out.error = error.location.empty() ? error.message : error.location + ": " + error.message;
  if (!error.hint.empty()) out.error += "\nTo mend it: " + error.hint;
  return out;
}

Json definition_of(const Tool& tool) {
  return {{"name", tool.name},
          {"title", tool.title},
          {"description", tool.description},
          {"inputSchema", tool.input_schema},
          {"outputSchema", tool.output_schema},
          {"annotations",
           {{"title", tool.title},
            {"readOnlyHint", tool.annotations.read_only},
            {"destructiveHint", tool.annotations.destructive},
            {"idempotentHint", tool.annotations.idempotent},
            {"openWorldHint", tool.annotations.open_world}}}};
}

}  // namespace amk::mcp
