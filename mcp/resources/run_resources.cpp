// amk://runs/{run_id}/...: how a run stands, and what its folder holds.
#include <fmt/format.h>

#include "base/files.h"
#include "mcp/resources/artefacts.h"
#include "mcp/resources/resourceset.h"
#include "mcp/runs/file_stamp.h"
#include "mcp/tools/completions.h"
#include "mcp/tools/run_tool.h"

namespace amk::mcp {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kWholeBytesMax = 256U << 10U;

std::string id_in(const Variables& variables) { return variables.at("run_id"); }

/// A path instead of what would swamp a model.
Contents path_instead(const fs::path& path, uint64_t bytes) {
  return {fmt::format("This is {} bytes, and only up to {} are sent. It is the file\n{}\n", bytes, kWholeBytesMax,
                      path.string()),
          "text/plain", false};
}

Result<Contents> read_artefact(RunStore& store, const Artefact& artefact, const std::string& id) {
  AMK_ASSIGN_OR_RETURN(const Run run, store.look(id, kWholeBytesMax));
  const std::optional<fs::path> path = artefact.find(run.folder, run.tool);
  if (!path) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected a run with a {}, found {}, which is {} and has none", artefact.name, run.tool,
                             run_state_name(run.state)),
                 "", run.ended() ? artefact.description : "it may have one once it has ended"};
  }
  std::error_code problem;
  const uint64_t bytes = fs::file_size(*path, problem);
  if (!problem && bytes > kWholeBytesMax) return path_instead(*path, bytes);
  AMK_ASSIGN_OR_RETURN(std::string text, read_file(*path, kWholeBytesMax));
  return Contents{std::move(text), "", false};
}

Resource template_of(RunStore& store, const char* name, const char* title, const char* description,
                     const char* mime_type) {
  Resource out;
  out.uri = fmt::format("amk://runs/{{run_id}}/{}", name);
  out.name = fmt::format("run-{}", name);
  out.title = title;
  out.description = description;
  out.mime_type = mime_type;
  out.changes = true;
  out.completions["run_id"] = complete_run_id(store);
  return out;
}

Resource status_resource(RunStore& store) {
  Resource out = template_of(store, "status", "How a run stands",
                             "State, progress and result, as amk_run_status says it. Subscribe to it to hear of "
                             "progress and of the end.",
                             "application/json");
  out.read = [&store](const Variables& variables) -> Result<Contents> {
    AMK_ASSIGN_OR_RETURN(const Run run, store.look(id_in(variables), kWholeBytesMax));
    return Contents{to_line(run_json(run)), "", false};
  };
  out.state = [&store](const Variables& variables) { return store.stamp(id_in(variables)); };
  return out;
}

}  // namespace

std::vector<Resource> run_resources(RunStore& store) {
  std::vector<Resource> out = {status_resource(store)};
  for (const Artefact& artefact : artefacts()) {
    Resource one = template_of(store, artefact.name, artefact.title, artefact.description, artefact.mime_type);
    one.read = [&store, &artefact](const Variables& variables) {
      return read_artefact(store, artefact, id_in(variables));
    };
    one.state = [&store, &artefact](const Variables& variables) {
      const Json request = store.request_of(id_in(variables));
      if (request.is_null()) return std::string("none");
      const auto path = artefact.find(store.folder_of(id_in(variables)), text_in(request, "tool"));
      return path ? stamp_of(*path) : std::string("none");
    };
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace amk::mcp
