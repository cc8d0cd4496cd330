#include "eval/trace_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/svg.h"

namespace amk::eval {
namespace {

constexpr double kLeft = 56;
constexpr double kRight = 16;
constexpr double kTop = 56;
constexpr double kBottom = 32;
constexpr double kNarrowest = 0.1;  ///< pixels

struct Phase {
  const char* name;
  const char* colour;
};
constexpr std::array<Phase, 4> kPhases = {
    {{"waiting", "#d9d9d9"}, {"staging", "#f0a202"}, {"products", "#3066be"}, {"publishing", "#c1292e"}}};

/// 1, 2 or 5 times a power of ten, so that at most `ticks` of them make `span`.
double tick_step(double span, double ticks) {
  const double least = std::max(span, 1e-3) / ticks;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (power * factor >= least * (1 - 1e-9)) return power * factor;
  }
  return power * 10;
}

/// One path a phase, a short stroke a slice.
std::array<std::string, 4> slices_of(const Timeline& timeline, double scale, double row) {
  std::array<std::string, 4> paths;
  for (const TaskTimes& times : timeline.tasks) {
    const double y = kTop + row * (times.sm + 0.5);
    const std::array<double, 5> ends = {times.begin_us, times.inputs_us, times.staged_us, times.done_us,
                                        times.published_us};
    for (size_t phase = 0; phase < paths.size(); ++phase) {
      const double width = (ends[phase + 1] - ends[phase]) * scale;
      if (width < kNarrowest) continue;
      paths[phase] +=
          fmt::format("M{} {}h{}", svg_number(kLeft + ends[phase] * scale), svg_number(y), svg_number(width));
    }
  }
  return paths;
}

}  // namespace

std::string trace_svg(const Timeline& timeline, const std::string& title, double width) {
  const double row = timeline.sms > 64 ? 6 : 14;
  const double plot = width - kLeft - kRight;
  const double bottom = kTop + row * timeline.sms;
  const double scale = plot / std::max(timeline.span_us, 1e-3);
  Svg svg(width, bottom + kBottom);
  svg.text(kLeft, 20, title, Anchor::kStart, 14);
  double x = kLeft;
  for (const Phase& phase : kPhases) {
    svg.rect(x, 30, 12, 12, phase.colour);
    svg.text(x + 16, 40, phase.name);
    x += 100;
  }
  const double step = tick_step(timeline.span_us, 16);
  for (double us = 0; us <= timeline.span_us + 1e-9; us += step) {
    svg.line(kLeft + us * scale, kTop, kLeft + us * scale, bottom + 4, "#eeeeee");
    svg.text(kLeft + us * scale, bottom + 18, svg_number(us), Anchor::kMiddle, 11);
  }
  svg.text(width - kRight, bottom + 30, "us", Anchor::kEnd, 11);
  const uint32_t every = timeline.sms > 64 ? 12 : timeline.sms > 16 ? 4 : 1;
  for (uint32_t sm = 0; sm < timeline.sms; sm += every) {
    svg.text(kLeft - 6, kTop + row * (sm + 0.5) + 4, fmt::format("SM {}", sm), Anchor::kEnd, 11);
  }
  const std::array<std::string, 4> paths = slices_of(timeline, scale, row);
  for (size_t phase = 0; phase < paths.size(); ++phase) svg.path(paths[phase], kPhases[phase].colour, row - 1);
  return svg.document();
}

}  // namespace amk::eval
