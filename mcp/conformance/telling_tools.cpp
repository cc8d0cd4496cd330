#include <chrono>
#include <utility>

#include "mcp/conformance/fixtures.h"

namespace amk::mcp {
namespace {

constexpr std::chrono::milliseconds kBetweenSteps{50};

/// Says all of these to who asked for messages of that level, with a pause between two.
ToolResult log_steps(const std::vector<std::string>& steps, CallContext& context) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i > 0) context.pause(kBetweenSteps);
    context.log(LogLevel::kInfo, steps[i]);
  }
  return content_only({text_item("The steps have been logged.")});
}

ToolResult progress_steps(const Json&, CallContext& context) {
  for (const int done : {0, 50, 100}) {
    if (done > 0) context.pause(kBetweenSteps);
    context.progress_of(done, 100);
  }
  return content_only({text_item("The progress has been reported.")});
}

Tool saying(const char* name, const char* description, Json items) {
  return fixture_tool(name, description, Json::object(),
                      [items = std::move(items)](const Json&, CallContext&) { return content_only(items); });
}

}  // namespace

Json text_item(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

Json image_item() { return {{"type", "image"}, {"data", kTinyPng}, {"mimeType", "image/png"}}; }

Json embedded_item(const std::string& uri, const std::string& mime_type, const std::string& text) {
  return {{"type", "resource"}, {"resource", {{"uri", uri}, {"mimeType", mime_type}, {"text", text}}}};
}

ToolResult content_only(Json items) {
  ToolResult out;
  out.more_content = std::move(items);
  return out;
}

Tool fixture_tool(const char* name, const char* description, Json properties,
                  std::function<ToolResult(const Json& arguments, CallContext&)> call) {
  Tool out;
  out.name = name;
  out.title = name;
  out.description = description;
  Json required = Json::array();
  for (const auto& [key, value] : properties.items()) required.push_back(key);
  out.input_schema = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) out.input_schema["required"] = std::move(required);
  out.output_schema = nullptr;
  out.annotations = {.read_only = true, .idempotent = true};
  out.call = std::move(call);
  return out;
}

std::vector<Tool> telling_tools() {
  const Json audio = {{"type", "audio"}, {"data", kTinyWav}, {"mimeType", "audio/wav"}};
  const Json embedded =
      embedded_item("test://embedded-resource", "text/plain", "This is an embedded resource content.");
  const Json mixed =
      embedded_item("test://mixed-content-resource", "application/json", R"({"test":"data","value":123})");
  const std::vector<std::string> steps = {"Tool execution started", "Tool processing data", "Tool execution completed"};
  const auto logging = [steps](const Json&, CallContext& context) { return log_steps(steps, context); };
  const auto failing = [](const Json&, CallContext&) {
    ToolResult out;
    out.error = "This tool intentionally returns an error for testing";
    return out;
  };
  return {
      saying("test_simple_text", "Says a text", {text_item("This is a simple text response for testing.")}),
      saying("test_image_content", "Shows an image", {image_item()}),
      saying("test_audio_content", "Plays a sound", {audio}),
      saying("test_embedded_resource", "Embeds a resource", {embedded}),
      saying("test_multiple_content_types", "Has a text, an image and a resource",
             {text_item("Multiple content types test:"), image_item(), mixed}),
      fixture_tool("test_tool_with_logging", "Logs three steps", Json::object(), logging),
      fixture_tool("test_logging_tool", "Logs three steps", Json::object(), logging),
      fixture_tool("test_tool_with_progress", "Reports three steps", Json::object(), progress_steps),
      fixture_tool("test_error_handling", "Fails", Json::object(), failing),
  };
}

}  // namespace amk::mcp
