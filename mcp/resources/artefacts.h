// What a run's folder may hold for others to read, by name: "amk://runs/RUN_ID/NAME".
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "mcp/runs/run_store.h"

namespace amk::mcp {

struct Artefact {
  const char* name;  ///< "verdict"
  const char* title;
  const char* description;
  const char* mime_type;
  bool linked;  ///< tools that make it say so by a link
  /// The file, where the run has it.
  std::optional<std::filesystem::path> (*find)(const std::filesystem::path& folder, const std::string& tool);
};

[[nodiscard]] std::span<const Artefact> artefacts();

/// "amk://runs/RUN_ID/NAME".
[[nodiscard]] std::string artefact_uri(const std::string& run_id, const char* name);

/// Links to what the run has made, for a tool's result.
[[nodiscard]] Json artefact_links(const Run& run);

}  // namespace amk::mcp
