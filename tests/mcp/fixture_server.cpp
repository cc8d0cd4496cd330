// A server of fixtures on the same protocol and transport as amk-mcp: tools that wait, print, throw and say odd things.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <stdexcept>

#include "mcp/core/server.h"
#include "mcp/stdio/serve_stdio.h"

namespace amk::mcp {
namespace {

Json schema(Json properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

Tool tool(const char* name, Json properties, std::function<ToolResult(const Json&, CallContext&)> call) {
  Tool out;
  out.name = name;
  out.title = name;
  out.description = name;
  out.input_schema = schema(std::move(properties));
  out.output_schema = {{"type", "object"}, {"properties", {{"text", {{"type", {"string", "null"}}}}}}};
  out.annotations.read_only = true;
  out.call = std::move(call);
  return out;
}

ToolResult saying(Json text) {
  ToolResult out;
  out.structured["text"] = std::move(text);
  return out;
}

/// Waits for "ms", reporting as it goes.
ToolResult wait(const Json& arguments, CallContext& context) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(arguments.value("ms", 100));
  int step = 0;
  while (context.stop() == Stop::kNo && std::chrono::steady_clock::now() < end) {
    context.progress("step " + std::to_string(++step));
    context.pause(std::chrono::milliseconds(20));
  }
  return saying(context.stop() == Stop::kNo ? "waited" : "stopped");
}

/// As a library that prints, and a child that does.
ToolResult print(const Json&, CallContext&) {
  std::puts("this is no protocol");
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/echo", "echo", "neither is this", nullptr);
    _exit(127);
  }
  waitpid(child, nullptr, 0);
  return saying("printed");
}

ToolResult odd(const Json&, CallContext&) {
  ToolResult out;
  out.structured = {{"text", std::string("a\nb\xff\xc3(\0c", 8)},
                    {"nan", std::numeric_limits<double>::quiet_NaN()},
                    {"infinity", std::numeric_limits<double>::infinity()}};
  return out;
}

std::vector<Tool> tools() {
  const Json milliseconds = {{"type", "integer"}, {"minimum", 0}, {"maximum", 600000}};
  return {tool("wait", {{"ms", milliseconds}}, wait),
          tool("echo", {{"text", {{"type", "string"}}}},
               [](const Json& arguments, CallContext&) { return saying(arguments.value("text", "")); }),
          tool("print", Json::object(), print),
          tool("odd", Json::object(), odd),
          tool("throw", Json::object(),
               [](const Json&, CallContext&) -> ToolResult { throw std::runtime_error("thrown on purpose"); }),
          tool("misfit", Json::object(), [](const Json&, CallContext&) { return saying(7); })};
}

}  // namespace
}  // namespace amk::mcp

int main() {
  const amk::mcp::Server server({"fixtures", "Fixtures", "1", "For tests."}, amk::mcp::tools());
  amk::mcp::LogFile log;
  return amk::mcp::serve_stdio(server, log) ? 0 : 1;
}
