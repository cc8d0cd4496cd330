#include "mcp/core/tool.h"

#include <utility>

namespace amk::mcp {

ToolResult failure(const Error& error) {
  ToolResult out;
  out.error = error.location.empty() ? error.message : error.location + ": " + error.message;
  if (!error.hint.empty()) out.error += "\nTo mend it: " + error.hint;
  return out;
}

ToolResult input_required(Json requests, std::string state) {
  ToolResult out;
  out.requests = std::move(requests);
  out.state = std::move(state);
  return out;
}

Json resource_link(const std::string& uri, const std::string& name, const std::string& description,
                   const std::string& mime_type) {
  return {
      {"type", "resource_link"}, {"uri", uri}, {"name", name}, {"description", description}, {"mimeType", mime_type}};
}

Json definition_of(const Tool& tool) {
  Json out = {{"name", tool.name},
              {"title", tool.title},
              {"description", tool.description},
              {"inputSchema", tool.input_schema}};
  if (!tool.output_schema.is_null()) out["outputSchema"] = tool.output_schema;
  out["annotations"] = {{"title", tool.title},
                        {"readOnlyHint", tool.annotations.read_only},
                        {"destructiveHint", tool.annotations.destructive},
                        {"idempotentHint", tool.annotations.idempotent},
                        {"openWorldHint", tool.annotations.open_world}};
  return out;
}

}  // namespace amk::mcp
