#include "eval/bench_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/svg.h"

namespace amk::eval {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 160;
constexpr double kRight = 210;  ///< room for the figures
constexpr double kTop = 76;
constexpr double kBar = 20;
constexpr double kGap = 6;
constexpr double kHeading = 26;

const char* colour_of(const std::string& contender) {
  if (contender == kMegakernel) return "#3066be";
  return contender == kProjections ? "#b9b9b9" : "#7d7d7d";
}

double longest(const BenchReport& report) {
  double out = 1e-9;
  for (const PositionTimes& at : report.positions) {
    for (const ContenderTimes& of : at.contenders) out = std::max({out, of.latency_us.p90, of.floor_us});
  }
  return out;
}

std::string figures(const ContenderTimes& of) {
  const std::string ratio =
      of.ratio ? fmt::format(", {:.2f}x", of.ratio->value) : fmt::format(", {:.0f}% of floor", of.pct_of_floor());
  return fmt::format("{:.1f} us{}", of.latency_us.median, ratio);
}

void draw_bar(Svg& svg, const ContenderTimes& of, double y, double scale) {
  const double middle = y + kBar / 2;
  svg.text(kLeft - 8, middle + 4, of.name, Anchor::kEnd);
  svg.rect(kLeft, y, of.latency_us.median * scale, kBar, colour_of(of.name));
  svg.line(kLeft + of.latency_us.p10 * scale, middle, kLeft + of.latency_us.p90 * scale, middle, "#222222", 1.5);
  svg.line(kLeft + of.floor_us * scale, y - 2, kLeft + of.floor_us * scale, y + kBar + 2, "#c1292e", 2);
  svg.text(kLeft + std::max(of.latency_us.p90, of.floor_us) * scale + 8, middle + 4, figures(of));
}

}  // namespace

void summarize_samples(BenchReport& report) {
  for (PositionTimes& at : report.positions) {
    for (ContenderTimes& of : at.contenders) {
      of.latency_us = spread_of(of.samples_us);
      if (&of == &at.contenders.front()) continue;
      of.ratio = median_with_confidence(paired_ratios(of.samples_us, at.contenders.front().samples_us), report.seed);
    }
  }
}

std::string bench_svg(const BenchReport& report) {
  double height = kTop + 30;
  for (const PositionTimes& at : report.positions) {
    height += kHeading + static_cast<double>(at.contenders.size()) * (kBar + kGap) + 8;
  }
  Svg svg(kWidth, height);
  svg.text(16, 26, fmt::format("{} on {}", report.model, report.device), Anchor::kStart, 16);
  svg.text(16, 46,
           fmt::format("one token, batch 1; median of {} paired rounds, line: p10 to p90; red: bytes / {:.0f} GB/s",
                       report.rounds, report.bandwidth_bytes_per_second / 1e9),
           Anchor::kStart, 12, "#555555");
  const double scale = (kWidth - kLeft - kRight) / longest(report);
  double y = kTop;
  for (const PositionTimes& at : report.positions) {
    svg.text(16, y + 8, fmt::format("position {}", at.position), Anchor::kStart, 13);
    y += kHeading - 8;
    for (const ContenderTimes& of : at.contenders) {
      draw_bar(svg, of, y, scale);
      y += kBar + kGap;
    }
    y += 16;
  }
  return svg.document();
}

}  // namespace amk::eval
