// What the conformance suite asks of a server: tools, resources and prompts whose outputs its scenarios state, word for
// word (@modelcontextprotocol/conformance, `conformance list`).
//
// Nothing here is of use to anybody else, and nothing here is in amk-mcp.
#pragma once

#include <vector>

#include "mcp/core/prompt.h"
#include "mcp/core/resource.h"
#include "mcp/core/tool.h"

namespace amk::mcp {

/// A pixel, as image/png, and a sample of silence, as audio/wav; both in base64.
inline constexpr const char* kTinyPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
inline constexpr const char* kTinyWav = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==";

[[nodiscard]] Json text_item(const std::string& text);
[[nodiscard]] Json image_item();
[[nodiscard]] Json embedded_item(const std::string& uri, const std::string& mime_type, const std::string& text);

/// A result of these items alone.
[[nodiscard]] ToolResult content_only(Json items);

/// A tool whose results have no schema. `properties` of its arguments are required, all of them.
[[nodiscard]] Tool fixture_tool(const char* name, const char* description, Json properties,
                                std::function<ToolResult(const Json& arguments, CallContext&)> call);

/// Those that answer by themselves.
[[nodiscard]] std::vector<Tool> telling_tools();
/// Those that ask their client for something.
[[nodiscard]] std::vector<Tool> asking_tools();
[[nodiscard]] std::vector<Resource> fixture_resources();
[[nodiscard]] std::vector<Prompt> fixture_prompts();

/// A request for what a user types in, for CallContext::ask().
[[nodiscard]] Json elicitation(const std::string& message, Json properties);

}  // namespace amk::mcp
