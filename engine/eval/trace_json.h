// The JSON forms of a traced pass: its summary, its timeline, and events for Perfetto.
#pragma once

#include <string>
#include <string_view>

#include "eval/trace_report.h"

namespace amk::eval {

/// The document of `amk trace --json`, without what only the caller knows (docs/cli.md has the keys).
[[nodiscard]] std::string trace_summary_to_json(const TraceSummary& summary);

/// Every task's times, as `amk report` reads them back: {"sms", "span_us", "columns": ["sm", "begin_us", "inputs_us",
/// "staged_us", "done_us", "published_us"], "tasks": [[...], ...]}, to a nanosecond.
[[nodiscard]] std::string timeline_to_json(const Timeline& timeline);
/// kBadInput where the text is no such thing. Task ids and skew are not in it.
Result<Timeline> timeline_from_json(std::string_view text, const std::string& location);

/// Events as ui.perfetto.dev and chrome://tracing read them ("Trace Event Format", complete events): a track an SM, a
/// slice a task named by its label, and within it its phases. Times in microseconds.
[[nodiscard]] std::string trace_to_perfetto(const TracedPass& pass, const Timeline& timeline);

}  // namespace amk::eval
