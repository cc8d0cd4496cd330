// The JSON forms of a traced pass: its summary, and events for Perfetto.
#pragma once

#include <string>

#include "eval/trace_report.h"

namespace amk::eval {

/// The document of `amk trace --json`, without what only the caller knows (docs/cli.md has the keys).
[[nodiscard]] std::string trace_summary_to_json(const TraceSummary& summary);

/// Events as ui.perfetto.dev and chrome://tracing read them ("Trace Event Format", complete events): a track an SM, a
/// slice a task named by its label, and within it its phases. Times in microseconds.
[[nodiscard]] std::string trace_to_perfetto(const TracedPass& pass, const Timeline& timeline);

}  // namespace amk::eval
