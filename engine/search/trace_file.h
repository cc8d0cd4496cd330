// Traces that `amk trace` left behind: documents of a pass on a GPU, read back for reports and proposals.
//
// WORKSPACE/traces/MODEL-TARGET-SCHEDULE-pPOSITION.json is `amk trace --json` with its timeline and when it was made.
// A trace is measured; it is only ever read here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/trace_report.h"

namespace amk::search {

struct TraceFile {
  std::string path;  ///< where it was read
  std::string model;
  std::string target;
  std::string device;
  std::string schedule_id;
  uint32_t position = 0;
  int64_t made = 0;  ///< seconds since 1970; 0: it does not say
  double span_us = 0;
  double floor_us = 0;  ///< 0: not known
  eval::Bottleneck bottleneck = eval::Bottleneck::kStream;
  eval::Bottleneck largest_loss = eval::Bottleneck::kWait;
  double stream_us = 0;
  double compute_us = 0;
  double wait_us = 0;
  double skew_us = 0;
  std::optional<eval::Timeline> timeline;  ///< none in a document that was asked for without
};

/// kBadInput where the text is no trace, or one of a program that was not correct.
Result<TraceFile> trace_from_json(std::string_view text, const std::string& location);
Result<TraceFile> read_trace(const std::filesystem::path& path);

/// Where the trace of a schedule is put.
[[nodiscard]] std::filesystem::path trace_path(const std::filesystem::path& workspace, const std::string& model,
                                               const std::string& target, const std::string& schedule_id,
                                               uint32_t position);

/// The newest trace of that model and target in the workspace; of that schedule where `schedule_id` is not empty, and
/// of that position where there is one. Files that cannot be read are passed over.
[[nodiscard]] std::optional<TraceFile> newest_trace(const std::filesystem::path& workspace, const std::string& model,
                                                    const std::string& target, const std::string& schedule_id = "",
                                                    std::optional<uint32_t> position = std::nullopt);

}  // namespace amk::search
