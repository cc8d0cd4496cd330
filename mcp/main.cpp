// amk-mcp: AMK for coding agents. Parses, chooses the tools, serves.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <utility>

#include "mcp/core/server.h"
#include "mcp/http/serve_http.h"
#include "mcp/options.h"
#include "mcp/prompts/promptset.h"
#include "mcp/resources/resourceset.h"
#include "mcp/runs/queued.h"
#include "mcp/stdio/channel.h"
#include "mcp/stdio/serve_stdio.h"
#include "mcp/tools/excluded_tools.h"
#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

constexpr int kUsage = 2;
constexpr int kInput = 3;
constexpr int kInternal = 4;

ServerInfo server_info() { return {"amk", "AMK megakernel compiler", AMK_VERSION, server_instructions()}; }

Status serve(const Options& options) {
  AMK_TRY(require_standard_streams());
  std::string folder = options.workspace;
  if (folder.empty()) {
    AMK_ASSIGN_OR_RETURN(folder, default_workspace());
  }
  std::error_code problem;
  const std::filesystem::path workspace = std::filesystem::absolute(folder, problem);
  RunStore store(workspace);
  std::vector<Tool> tools = all_tools(store);
  AMK_ASSIGN_OR_RETURN(tools, without_tools(std::move(tools), options.excluded_tools));
  AMK_ASSIGN_OR_RETURN(tools, chosen_tools(std::move(tools), options.read_only, options.tools));
  auto log = std::make_unique<LogFile>();
  if (!options.log_file.empty()) {
    AMK_ASSIGN_OR_RETURN(log, LogFile::open(options.log_file));
  }
  const Server server(server_info(), std::move(tools), all_resources(store), all_prompts(store));
  if (!options.http) return serve_stdio(server, *log);
  HttpOptions http;
  http.host = options.host;
  http.port = options.port;
  http.token_file = options.token_file;
  http.allowed_origins = options.allowed_origins;
  return serve_http(server, http, *log, [](const std::string& url) { fmt::print(stderr, "listening on {}\n", url); });
}

int report(const Error& error) {
  fmt::print(stderr, "amk-mcp: {}{}{}\n", error.location, error.location.empty() ? "" : ": ", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  hint: {}\n", error.hint);
  if (error.code == ErrorCode::kInternal) return kInternal;
  return error.code == ErrorCode::kUsage ? kUsage : kInput;
}

int run_program(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == kQueuedArgument)
    return report(run_queued({arguments.begin() + 1, arguments.end()}));
  const Result<Options> options = parse_options(arguments);
  if (options && (options->help || options->version)) {
    fmt::print("{}", options->help ? help_text() : fmt::format("amk-mcp {}\n", AMK_VERSION));
    return 0;
  }
  const Status served = options ? serve(*options) : Status(options.error());
  if (served) return 0;
  return report(served.error());
}

}  // namespace
}  // namespace amk::mcp

int main(int argc, char** argv) {
  try {
    return amk::mcp::run_program({argv + 1, argv + argc});
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "amk-mcp: unexpected exception: %s\n", problem.what());
    return amk::mcp::kInternal;
  }
}
