#include "explorer/defect.h"

#include <fmt/format.h>

namespace amk::explorer {

const char* flaw_name(Flaw flaw) {
  switch (flaw) {
    case Flaw::kUnlawful:
      return "unlawful";
    case Flaw::kDeadlock:
      return "deadlock";
    case Flaw::kNeverFinished:
      return "never-finished";
    case Flaw::kUnwritten:
      return "unwritten";
    case Flaw::kStale:
      return "stale";
    case Flaw::kTorn:
      return "torn";
    case Flaw::kWriteWrite:
      return "write-write";
    case Flaw::kOutput:
      return "output";
  }
  return "";
}

std::string describe(const Defect& defect) {
  std::string text = flaw_name(defect.flaw);
  text += ":";
  if (!defect.what.empty()) text += fmt::format(" {};", defect.what);
  for (size_t i = 0; i < defect.tasks.size(); ++i) {
    text += fmt::format("{} {}", i == 0 ? " tasks" : ",", defect.tasks[i].index());
  }
  if (defect.buffer.valid()) {
    text += fmt::format("; buffer {} bytes {}..{}", defect.buffer.index(), defect.begin, defect.end);
  }
  if (!defect.trace.empty()) text += "; after";
  for (const Event& event : defect.trace) text += fmt::format(" {}{}", event.finished ? '-' : '+', event.task.index());
  return text;
}

}  // namespace amk::explorer
