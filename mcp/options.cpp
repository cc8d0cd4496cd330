#include "mcp/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 13> kOptions = {
    "--stdio", "--http",          "--host",      "--port",     "--token-file", "--allowed-origin", "--read-only",
    "--tools", "--exclude-tools", "--workspace", "--log-file", "--help",       "--version"};
constexpr std::array<std::string_view, 5> kFlags = {"--stdio", "--http", "--read-only", "--help", "--version"};
constexpr std::array<std::string_view, 4> kOfHttp = {"--host", "--port", "--token-file", "--allowed-origin"};

bool takes_value(std::string_view name) { return std::ranges::count(kFlags, name) == 0; }

Error usage(const std::string& where, std::string problem, std::string hint = "") {
  return {ErrorCode::kUsage, std::move(problem), where, std::move(hint)};
}

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    if (end > begin) out.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

Status set_port(Options& options, const std::string& value) {
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), options.port);
  if (problem == std::errc() && end == value.data() + value.size()) return {};
  return usage("--port", fmt::format("expected a number from 0 to 65535, found '{}'", value));
}

Status set_value(Options& options, std::string_view name, const std::string& value) {
  const auto append = [&](std::vector<std::string>& names) {
    for (std::string& tool : split(value)) names.push_back(std::move(tool));
  };
  if (name == "--port") return set_port(options, value);
  if (name == "--tools" && split(value).empty())
    return usage("--tools", fmt::format("expected names of tools, found '{}'", value), "leave it out for all tools");
  if (name == "--host") options.host = value;
  if (name == "--token-file") options.token_file = value;
  if (name == "--allowed-origin") options.allowed_origins.push_back(value);
  if (name == "--workspace") options.workspace = value;
  if (name == "--log-file") options.log_file = value;
  if (name == "--tools") append(options.tools);
  if (name == "--exclude-tools") append(options.excluded_tools);
  return {};
}

void set_flag(Options& options, std::string_view name) {
  options.stdio = options.stdio || name == "--stdio";
  options.http = options.http || name == "--http";
  options.read_only = options.read_only || name == "--read-only";
  options.help = options.help || name == "--help";
  options.version = options.version || name == "--version";
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Options out;
  std::string of_http;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    if (std::ranges::count(kOptions, name) == 0) {
      return usage("", fmt::format("expected an option, found '{}'{}", arguments[i], did_you_mean(name, kOptions)),
                   fmt::format("there are {}", join(kOptions)));
    }
    if (std::ranges::count(kOfHttp, name) > 0) of_http = name;
    if (!takes_value(name)) {
      if (equals != std::string::npos) return usage(name, fmt::format("expected no value, found '{}'", arguments[i]));
      set_flag(out, name);
      continue;
    }
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      return usage(name, "expected a value, found nothing", "amk-mcp --help");
    }
    AMK_TRY(set_value(out, name, equals == std::string::npos ? arguments[++i] : arguments[i].substr(equals + 1)));
  }
  if (out.stdio && out.http) return usage("--http", "expected one transport, found --stdio as well");
  if (!out.http && !of_http.empty()) return usage(of_http, "expected --http with it, found a server on stdio");
  return out;
}

std::string help_text() {
  return "amk-mcp: AMK's tools for coding agents, by the Model Context Protocol, over standard input and output or "
         "HTTP.\n"
         "\n"
         "usage: amk-mcp [OPTIONS]\n"
         "\n"
         "  --stdio            a message a line on stdin and stdout (default)\n"
         "  --http             streamable HTTP, at /mcp\n"
         "    --port N             (default 8330; 0 is any, which stderr says)\n"
         "    --host ADDRESS       (default 127.0.0.1; another than loopback needs a token)\n"
         "    --token-file FILE    clients send its content as Authorization: Bearer\n"
         "    --allowed-origin URL as https://amk.example.com: requests may carry this Origin, and call the server by\n"
         "                         this name; for pages of the same origin behind a proxy; repeatable\n"
         "  --read-only        only tools that change nothing: no runs are started\n"
         "  --tools A,B        only these tools\n"
         "  --exclude-tools A,B  not these\n"
         "  --workspace DIR    where runs are kept (default: $AMK_HOME, else .amk here, else .amk in $HOME)\n"
         "  --log-file FILE    append every message to this file\n"
         "  --help, --version\n"
         "\n"
         "Claude Code:  claude mcp add amk -- /path/to/amk-mcp\n"
         "Codex:        codex mcp add amk -- /path/to/amk-mcp\n"
         "Over HTTP:    claude mcp add --transport http amk http://127.0.0.1:8330/mcp\n";
}

Result<std::string> default_workspace() {
  if (const std::string home = variable("AMK_HOME"); !home.empty()) return home;
  std::error_code problem;
  const fs::path here = fs::current_path(problem);
  if (!problem && here != here.root_path() && ::access(here.c_str(), W_OK) == 0) return (here / ".amk").string();
  const std::string home = variable("HOME");
  if (!home.empty()) return (fs::path(home) / ".amk").string();
  // Not below /tmp: a folder there may be another user's, who could read and change what runs keep.
  return Error{ErrorCode::kIo,
               "expected a folder for runs, found none: neither $AMK_HOME nor $HOME is set, and the "
               "working directory is / or cannot be written",
               "--workspace", "--workspace DIR names one"};
}

}  // namespace amk::mcp
