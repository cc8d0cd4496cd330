// The pictures of a report, as SVG to be put inside its page: colours are the page's classes, so that they follow light
// and dark.
//
// Pure functions; what they draw is labelled by the caller. Widths are 1000 units, scaled by the page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/statistics.h"
#include "eval/trace_report.h"
#include "search/trial.h"

namespace amk::search {

/// A trial that has a latency. `low_us` and `high_us` may be infinite: nothing is known then.
struct TrajectoryPoint {
  uint32_t trial = 0;
  double latency_us = 0;
  double low_us = 0;
  double high_us = 0;
  bool kept = false;
};

struct Trajectory {
  double start_us = 0;
  double floor_us = 0;
  uint32_t trials = 0;
  std::vector<TrajectoryPoint> points;    ///< by trial
  std::vector<uint32_t> without_latency;  ///< trials
};

/// Latency over trials: a dot a trial with its interval, the incumbent as a line, the floor where it is near. What is
/// slower than the chart is high is a mark at its upper edge.
[[nodiscard]] std::string trajectory_svg(const Trajectory& of);

/// A ratio to the incumbent and its interval.
struct EffectRow {
  std::string group;  ///< a heading where it differs from the row before
  std::string label;
  eval::Estimate ratio;
  std::string detail;
};
[[nodiscard]] std::string effects_svg(std::span<const EffectRow> rows);

/// Time a pass takes, and what of it the memory needs.
struct RooflineBar {
  std::string label;
  double latency_us = 0;
  double floor_us = 0;
};
[[nodiscard]] std::string roofline_svg(std::span<const RooflineBar> bars);

struct ScatterPoint {
  double x = 0;
  double y = 0;
  bool kept = false;
};
[[nodiscard]] std::string scatter_svg(std::span<const ScatterPoint> points, const std::string& x_title,
                                      const std::string& y_title);

/// A row an SM, time to the right up to `span_us`, coloured by phase.
[[nodiscard]] std::string timeline_svg(const eval::Timeline& timeline, double span_us);

/// Round numbers in [low, high], at most `count` + 1 of them. For finite bounds with low < high.
[[nodiscard]] std::vector<double> round_ticks(double low, double high, uint32_t count);

}  // namespace amk::search
