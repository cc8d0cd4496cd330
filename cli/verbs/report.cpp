// amk report: a page about campaigns.

#include "search/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/report_facts.h"
#include "cli/verbs/verbs.h"

namespace amk::cli {
namespace {

using search::Campaign;

/// Those that are named, or all: then one that cannot be read is a note.
Result<std::vector<Campaign>> chosen(const search::History& history, const ReportOptions& options, Json& notes) {
  AMK_ASSIGN_OR_RETURN(const std::vector<std::string> names, history.names());
  std::vector<Campaign> out;
  for (const std::string& name : options.campaigns.empty() ? names : options.campaigns) {
    Result<std::optional<Campaign>> read = history.read(name);
    if (!read && !options.campaigns.empty()) return read.error();
    if (!read) {
      notes.push_back(fmt::format("{} is passed over: {}", name, read.error().text()));
      continue;
    }
    std::optional<Campaign>& found = *read;
    if (!found) {
      return Error{ErrorCode::kUsage,
                   fmt::format("expected one of the campaigns {}, found '{}'", fmt::join(names, ", "), name),
                   "--campaign", ""};
    }
    out.push_back(std::move(*found));
  }
  if (!out.empty()) return out;
  return Error{ErrorCode::kUsage, "expected a campaign in the workspace, found none", options.workspace,
               "amk loop begins one"};
}

}  // namespace

Result<Exit> report(const ReportOptions& options, Output& output) {
  const std::filesystem::path workspace = search::workspace_directory(options.workspace);
  AMK_ASSIGN_OR_RETURN(const search::History history, search::History::open_to_read(workspace));
  Json notes = Json::array();
  AMK_ASSIGN_OR_RETURN(const std::vector<Campaign> campaigns, chosen(history, options, notes));
  if (campaigns.size() != 1 && !(options.trace_before.empty() && options.trace_after.empty())) {
    return Error{ErrorCode::kUsage, fmt::format("expected one --campaign beside traces, found {}", campaigns.size()),
                 "--campaign", "name the campaign that the traces are of"};
  }
  Progress progress(output);
  const FactOptions facts{workspace, options.trace_before, options.trace_after, options.trace, options.run};
  std::vector<search::ReportSubject> subjects;
  Json names = Json::array();
  for (const Campaign& campaign : campaigns) {
    progress.step("reporting on " + campaign.name);
    AMK_ASSIGN_OR_RETURN(search::ReportSubject subject, report_subject(campaign, facts, progress));
    if (!subject.unknown.empty()) notes.push_back(fmt::format("{}: {}", campaign.name, subject.unknown));
    subjects.push_back(std::move(subject));
    names.push_back(campaign.name);
  }
  AMK_ASSIGN_OR_RETURN(const ReportPaths paths, write_report(search::campaigns_report(subjects), options.out));
  progress.stop();
  for (const Json& note : notes) output.note(note.get<std::string>());
  if (output.json()) {
    output.document({{"campaigns", std::move(names)},
                     {"html", paths.html},
                     {"markdown", paths.markdown},
                     {"notes", std::move(notes)}});
  }
  output.text(fmt::format("{}\n{}\n", paths.html, paths.markdown));
  return Exit::kDone;
}

}  // namespace amk::cli
