// amk://docs/..., amk://schema/..., amk://tables/...: the documents inside the program.
#include <array>

#include "base/assert.h"
#include "mcp/resources/documents.h"
#include "mcp/resources/resourceset.h"

namespace amk::mcp {
namespace {

struct Row {
  const char* uri;
  std::string_view path;
  const char* title;
  const char* description;
};

constexpr std::array<Row, 11> kRows = {{
    {"amk://docs/ir-spec", "ir-spec.md", "The IR of programs", "What a program is: tasks, buffers, counters, queues."},
    {"amk://docs/safety", "safety.md", "What 'accepted' means",
     "What the validator claims of a program, why, and what it does not cover."},
    {"amk://docs/research-loop", "research-loop.md", "The research loop",
     "How candidates are judged, kept and remembered, and the statistics behind it."},
    {"amk://docs/cli", "cli.md", "The command line", "Every verb of amk with its options and the keys of its JSON."},
    {"amk://schema/schedule", "schedule.schema.json", "Schema of a schedule",
     "JSON Schema of the knobs: what \"schedule\" may be in the tools."},
    {"amk://tables/targets", "tables/targets.md", "GPUs that programs are compiled for",
     "For each target: SMs, shared memory, bandwidth and more."},
    {"amk://tables/knobs", "tables/knobs.md", "Knobs of a schedule", "Every knob, its values, and what it does."},
    {"amk://tables/instructions", "tables/instructions.md", "Instructions", "Every instruction and its operands."},
    {"amk://tables/parameters", "tables/parameters.md", "Parameters of instructions",
     "The parameter record of every instruction."},
    {"amk://tables/rules", "tables/rules.md", "Rules of the validator", "Every rule's id, and what it demands."},
    {"amk://tables/fusions", "tables/fusions.md", "Fusions", "Which operations may be fused, and into what."},
}};

std::string_view text_of(std::string_view path) {
  for (const Document& document : documents()) {
    if (document.path == path) return document.text;
  }
  return {};
}

}  // namespace

std::vector<Resource> document_resources() {
  std::vector<Resource> out;
  for (const Row& row : kRows) {
    const std::string_view text = text_of(row.path);
    AMK_ASSERT(!text.empty(), std::string(row.path) + " is not in the program");
    Resource one;
    one.uri = row.uri;
    one.name = one.uri.substr(one.uri.rfind('/') + 1);
    one.title = row.title;
    one.description = row.description;
    one.mime_type = row.path.ends_with(".json") ? "application/schema+json" : "text/markdown";
    one.size = text.size();
    one.read = [text](const Variables&) { return Contents{std::string(text), "", false}; };
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace amk::mcp
