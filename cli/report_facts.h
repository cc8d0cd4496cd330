// What a report says beyond a campaign's trials: bytes, predictions, bottlenecks and timelines, from its model and the
// workspace's traces.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/campaign_session.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "search/report.h"
#include "search/trace_file.h"

namespace amk::cli {

/// The options that open a campaign again, as its header has them.
[[nodiscard]] LoopOptions options_of(const search::Campaign& campaign, const std::string& workspace,
                                     const RunOptions& run);

/// The options of the command line for that campaign's model: "MODEL --gpu h100 --context 256 ...".
[[nodiscard]] std::string command_words(const search::CampaignHeader& about);

struct FactOptions {
  std::filesystem::path workspace;
  std::string trace_before;  ///< files; empty: the workspace's
  std::string trace_after;
  bool trace = false;  ///< on this machine's GPU
  RunOptions run;
};

/// What is known of a campaign. A model that cannot be opened is no error: the report says what it lacks. Errors are of
/// files that were named, and of traces that were asked for.
Result<search::ReportSubject> report_subject(const search::Campaign& campaign, const FactOptions& options,
                                             Progress& progress);

/// The last trace of the campaign's model, or else what the cost model says of its incumbent.
struct BottleneckFound {
  std::string source;  ///< "trace" or "cost-model"
  eval::Bottleneck bottleneck = eval::Bottleneck::kStream;
  eval::Bottleneck largest_loss = eval::Bottleneck::kWait;  ///< what tuning can still win
  std::string text;
  std::optional<search::TraceFile> trace;
};
Result<BottleneckFound> find_bottleneck(const search::Campaign& campaign, const std::filesystem::path& workspace,
                                        const RunOptions& run);

/// Writes report.html and report.md into a directory, which is made where there is none.
struct ReportPaths {
  std::string html;
  std::string markdown;
};
Result<ReportPaths> write_report(const search::Report& report, const std::filesystem::path& directory);

}  // namespace amk::cli
