#include "mcp/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/text.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> kOptions = {"--stdio",    "--read-only", "--tools",  "--workspace",
                                                      "--log-file", "--help",      "--version"};

bool takes_value(std::string_view name) { return name == "--tools" || name == "--workspace" || name == "--log-file"; }

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    if (end > begin) out.push_back(names.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

void set_value(Options& options, std::string_view name, const std::string& value) {
  if (name == "--workspace") options.workspace = value;
  if (name == "--log-file") options.log_file = value;
  if (name == "--tools") {
    for (std::string& tool : split(value)) options.tools.push_back(std::move(tool));
  }
}

void set_flag(Options& options, std::string_view name) {
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
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    if (std::ranges::count(kOptions, name) == 0) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected an option, found '{}'{}", arguments[i], did_you_mean(name, kOptions)), "",
                   fmt::format("there are {}", join(kOptions))};
    }
    if (!takes_value(name)) {
      if (equals != std::string::npos)
        return Error{ErrorCode::kUsage, fmt::format("expected no value, found '{}'", arguments[i]), name, ""};
      set_flag(out, name);
      continue;
    }
    if (equals == std::string::npos && i + 1 == arguments.size()) {
      return Error{ErrorCode::kUsage, "expected a value, found nothing", name, "amk-mcp --help"};
    }
    set_value(out, name, equals == std::string::npos ? arguments[++i] : arguments[i].substr(equals + 1));
  }
  return out;
}

std::string help_text() {
  return "amk-mcp: AMK's tools for coding agents, by the Model Context Protocol, over standard input and output.\n"
         "\n"
         "usage: amk-mcp [OPTIONS]\n"
         "\n"
         "  --stdio            a message a line on stdin and stdout (default)\n"
         "  --read-only        only tools that change nothing: no runs are started\n"
         "  --tools A,B        only these tools\n"
         "  --workspace DIR    where runs are kept (default: $AMK_HOME, else .amk here, else .amk in $HOME)\n"
         "  --log-file FILE    append every message to this file\n"
         "  --help, --version\n"
         "\n"
         "Claude Code:  claude mcp add amk -- /path/to/amk-mcp\n"
         "Codex:        codex mcp add amk -- /path/to/amk-mcp\n";
}

std::string default_workspace() {
  if (const std::string home = variable("AMK_HOME"); !home.empty()) return home;
  std::error_code problem;
  const fs::path here = fs::current_path(problem);
  if (!problem && here != here.root_path() && ::access(here.c_str(), W_OK) == 0) return (here / ".amk").string();
  const std::string home = variable("HOME");
  return (fs::path(home.empty() ? "/tmp" : home) / ".amk").string();
}

}  // namespace amk::mcp
