#include "mcp/resources/artefacts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "mcp/core/resource.h"
#include "mcp/core/tool.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;
using Found = std::optional<fs::path>;

Found where_there(fs::path path) {
  std::error_code problem;
  if (!fs::is_regular_file(path, problem)) return std::nullopt;
  return path;
}

/// The first of those that end so, by name.
Found ending(const fs::path& folder, std::string_view end) {
  std::vector<fs::path> found;
  std::error_code problem;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, problem)) {
    if (entry.path().filename().string().ends_with(end)) found.push_back(entry.path());
  }
  if (found.empty()) return std::nullopt;
  return *std::ranges::min_element(found);
}

Found in_bundle(const fs::path& folder, const char* file) {
  const Found bundle = ending(folder, ".amk");
  return bundle ? where_there(*bundle / file) : std::nullopt;
}

Found find_verdict(const fs::path& folder, const std::string& tool) {
  if (Found found = in_bundle(folder, "verdict.json")) return found;
  return tool == "amk_eval" || tool == "amk_compile" ? where_there(folder / "result.json") : std::nullopt;
}

Found find_report(const fs::path& folder, const std::string&) { return in_bundle(folder, "report.md"); }
Found find_program(const fs::path& folder, const std::string&) { return in_bundle(folder, "program.json"); }
Found find_trace(const fs::path& folder, const std::string&) { return ending(folder, ".perfetto.json"); }
Found find_chart(const fs::path& folder, const std::string&) { return ending(folder, ".svg"); }
Found find_result(const fs::path& folder, const std::string&) { return where_there(folder / "result.json"); }
Found find_request(const fs::path& folder, const std::string&) { return where_there(folder / "request.json"); }
Found find_stderr(const fs::path& folder, const std::string&) { return where_there(folder / "stderr.log"); }

constexpr std::array<Artefact, 8> kArtefacts = {{
    {"verdict", "A run's verdict", "Of amk_eval and amk_compile: valid, correct, how fast.", "application/json", false,
     find_verdict},
    {"report", "A bundle's report", "Of amk_compile: what was established, in words.", "text/markdown", true,
     find_report},
    {"program", "A bundle's program", "Of amk_compile: the IR, in JSON.", "application/json", true, find_program},
    {"trace", "A run's trace", "Of amk_trace: events for ui.perfetto.dev.", "application/json", true, find_trace},
    {"chart", "A run's chart", "Of amk_bench and amk_trace: a drawing.", "image/svg+xml", true, find_chart},
    {"result", "A run's result", "The document of the amk verb, whole.", "application/json", false, find_result},
    {"request", "What a run was asked for", "The tool and its arguments.", "application/json", false, find_request},
    {"stderr", "A run's log", "What the program said on the way: notes and progress.", "text/plain", false,
     find_stderr},
}};

}  // namespace

std::span<const Artefact> artefacts() { return kArtefacts; }

std::string artefact_uri(const std::string& run_id, const char* name) {
  return fmt::format("amk://runs/{}/{}", percent_encoded(run_id), name);
}

Json artefact_links(const Run& run) {
  Json out = Json::array();
  for (const Artefact& one : kArtefacts) {
    if (!one.linked || !one.find(run.folder, run.tool)) continue;
    out.push_back(resource_link(artefact_uri(run.id, one.name), one.name, one.description, one.mime_type));
  }
  return out;
}

}  // namespace amk::mcp
