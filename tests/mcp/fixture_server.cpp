// A server of fixtures on the same protocol and transports as amk-mcp: tools that wait, print, throw and say odd
// things.
//
// --http --port N serves over HTTP; --NAME N sets a limit of it, so that a test need not wait for half an hour.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "mcp/core/server.h"
#include "mcp/http/serve_http.h"
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

/// What --NAME sets; null: no such limit.
std::function<void(HttpOptions&, size_t)> limit(const std::string& name) {
  const auto time = [](std::chrono::milliseconds& which, size_t value) { which = std::chrono::milliseconds(value); };
  if (name == "--port") return [](HttpOptions& o, size_t value) { o.port = static_cast<uint16_t>(value); };
  if (name == "--connections-max") return [](HttpOptions& o, size_t value) { o.http.connections_max = value; };
  if (name == "--streams-max") return [](HttpOptions& o, size_t value) { o.http.streams_max = value; };
  if (name == "--large-bodies-max") return [](HttpOptions& o, size_t value) { o.http.large_bodies_max = value; };
  if (name == "--head-ms") return [time](HttpOptions& o, size_t value) { time(o.http.head_time, value); };
  if (name == "--body-ms") return [time](HttpOptions& o, size_t value) { time(o.http.body_time, value); };
  if (name == "--write-ms") return [time](HttpOptions& o, size_t value) { time(o.http.write_time, value); };
  if (name == "--keep-alive-ms") return [time](HttpOptions& o, size_t value) { time(o.http.keep_alive_time, value); };
  if (name == "--sessions-max") return [](HttpOptions& o, size_t value) { o.endpoint.sessions_max = value; };
  if (name == "--listeners-max") return [](HttpOptions& o, size_t value) { o.endpoint.listeners_max = value; };
  if (name == "--requests-max") return [](HttpOptions& o, size_t value) { o.endpoint.requests_max = value; };
  if (name == "--session-idle-ms") {
    return [time](HttpOptions& o, size_t value) { time(o.endpoint.session_idle_time, value); };
  }
  return nullptr;
}

int serve(const Server& server, const std::vector<std::string>& arguments) {
  LogFile log;
  if (arguments.empty()) return serve_stdio(server, log) ? 0 : 1;
  HttpOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--http") continue;
    const auto set = limit(arguments[i]);
    if (set == nullptr || i + 1 == arguments.size()) return 2;
    set(options, std::stoul(arguments[++i]));
  }
  const Status served = serve_http(
      server, options, log, [](const std::string& url) { std::fprintf(stderr, "listening on %s\n", url.c_str()); });
  if (!served) std::fprintf(stderr, "%s\n", served.error().text().c_str());
  return served ? 0 : 1;
}

}  // namespace
}  // namespace amk::mcp

int main(int argc, char** argv) {
  const amk::mcp::Server server({"fixtures", "Fixtures", "1", "For tests."}, amk::mcp::tools());
  return amk::mcp::serve(server, {argv + 1, argv + argc});
}
