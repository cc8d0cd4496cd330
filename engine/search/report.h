// What a campaign, or a plan of several, came to: the document that `amk report` and the wake-up report write.
//
// Pure: facts that the history does not have, bytes, predictions and timelines, are the caller's to find; what is not
// given is said to be missing, and how to get it. Every latency says whether it was measured or predicted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/trace_report.h"
#include "search/history.h"
#include "search/orchestrate.h"
#include "search/report_document.h"

namespace amk::search {

/// One picture of a pass.
struct TimelinePicture {
  eval::Timeline timeline;
  eval::LatencyKind kind = eval::LatencyKind::kPredicted;  ///< kMeasuredGpu: a trace
  std::string schedule_id;
  std::string about;  ///< where it is from: a device, a file
};

/// A campaign, and what is known of it beside its trials.
struct ReportSubject {
  const Campaign* campaign = nullptr;
  std::optional<uint64_t> start_bytes;  ///< weights and history of a pass, by the start's program
  std::optional<uint64_t> best_bytes;
  std::vector<std::optional<double>> predicted_us;  ///< by trial, in order; empty: not known
  std::string unknown;                              ///< why bytes and predictions are not known; empty: they are
  std::optional<TimelinePicture> before;
  std::optional<TimelinePicture> after;
  std::string timeline_missing;  ///< what is missing, and which command brings it; empty: nothing
  std::string bottleneck;        ///< a sentence; empty: not known
};

/// One campaign, as a part of a report; `titled` where it is one of several.
[[nodiscard]] ReportPart campaign_part(const ReportSubject& subject, bool titled);

/// Of campaigns by themselves.
[[nodiscard]] Report campaigns_report(std::span<const ReportSubject> subjects);

/// The wake-up report of a plan: first how each campaign stands, then each that has begun. `subjects` are those, in the
/// order of the plan.
[[nodiscard]] Report plan_report(const Plan& plan, std::span<const Standing> standings,
                                 std::span<const ReportSubject> subjects);

}  // namespace amk::search
