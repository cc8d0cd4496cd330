#include "search/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/svg.h"
#include "search/report_document.h"

namespace amk::search {
namespace {

using eval::svg_number;

constexpr double kWidth = 1000;

/// Where a chart's lines and words go: a linear scale either way.
struct Frame {
  double left = 64;
  double right = kWidth - 16;
  double top = 14;
  double bottom = 0;
  double x_low = 0;
  double x_high = 1;
  double y_low = 0;
  double y_high = 1;

  [[nodiscard]] double x(double value) const { return left + (value - x_low) / (x_high - x_low) * (right - left); }
  [[nodiscard]] double y(double value) const { return bottom - (value - y_low) / (y_high - y_low) * (bottom - top); }
};

class Drawing {
 public:
  Drawing(double height, std::string_view title) {
    out_ =
        fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" xmlns=\"http://www.w3.org/2000/svg\">\n",
                    svg_number(kWidth), svg_number(height), html_escaped(title));
  }

  void line(double x1, double y1, double x2, double y2, std::string_view css) {
    out_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", css, svg_number(x1),
                        svg_number(y1), svg_number(x2), svg_number(y2));
  }
  void rect(double x, double y, double width, double height, std::string_view css, double round = 0) {
    out_ +=
        fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>\n", css, svg_number(x),
                    svg_number(y), svg_number(std::max(width, 0.0)), svg_number(height), svg_number(round));
  }
  void dot(double x, double y, double radius, std::string_view css, const std::string& title) {
    out_ += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>\n", css,
                        svg_number(x), svg_number(y), svg_number(radius), html_escaped(title));
  }
  void text(double x, double y, std::string_view text, const char* anchor = "start", std::string_view css = "") {
    out_ += fmt::format("<text{} x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n",
                        css.empty() ? "" : fmt::format(" class=\"{}\"", css), svg_number(x), svg_number(y), anchor,
                        html_escaped(text));
  }
  void path(std::string_view d, std::string_view css, double width = 0) {
    if (d.empty()) return;
    const std::string thick = width > 0 ? fmt::format(" stroke-width=\"{}\"", svg_number(width)) : "";
    out_ += fmt::format("<path class=\"{}\" d=\"{}\" fill=\"none\"{}/>\n", css, d, thick);
  }
  [[nodiscard]] std::string done() { return std::move(out_) + "</svg>\n"; }

 private:
  std::string out_;
};

/// Digits that tell the ticks apart.
std::string tick_text(double value, double step) {
  const int digits = step >= 1 ? 0 : std::min(6, static_cast<int>(std::ceil(-std::log10(step))));
  return fmt::format("{:.{}f}", value, digits);
}

void axes(Drawing& drawing, const Frame& frame, uint32_t x_count, const std::string& x_title,
          const std::string& y_title) {
  const std::vector<double> ys = round_ticks(frame.y_low, frame.y_high, 6);
  const double y_step = ys.size() > 1 ? ys[1] - ys[0] : 1;
  for (const double tick : ys) {
    drawing.line(frame.left, frame.y(tick), frame.right, frame.y(tick), "grid");
    drawing.text(frame.left - 8, frame.y(tick) + 4, tick_text(tick, y_step), "end");
  }
  const std::vector<double> xs = round_ticks(frame.x_low, frame.x_high, x_count);
  const double x_step = xs.size() > 1 ? xs[1] - xs[0] : 1;
  for (const double tick : xs) drawing.text(frame.x(tick), frame.bottom + 18, tick_text(tick, x_step), "middle");
  drawing.line(frame.left, frame.bottom, frame.right, frame.bottom, "axis");
  drawing.text(frame.right, frame.bottom + 34, x_title, "end");
  drawing.text(0, frame.top - 2, y_title);
}

/// The range of the latencies, the slowest left out where they would flatten the rest.
void fit_latencies(const Trajectory& of, Frame& frame) {
  double low = of.start_us;
  double high = of.start_us;
  for (const TrajectoryPoint& point : of.points) {
    low = std::min(low, point.latency_us);
    high = std::max(high, point.latency_us);
  }
  high = std::min(high, of.start_us + 0.6 * (of.start_us - low) + 0.08 * of.start_us);
  if (of.floor_us > low - 1.5 * (high - low)) low = std::min(low, of.floor_us);
  const double margin = std::max(0.06 * (high - low), 0.004 * high);
  frame.y_low = low - margin;
  frame.y_high = high + margin;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, uint32_t count) {
  const double least = (high - low) / std::max(count, 1U);
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  double step = power * 10;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (power * factor >= least * (1 - 1e-9)) step = power * factor;
  }
  std::vector<double> out;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
    out.push_back(i * step + 0.0);  // no -0
  return out;
}

std::string trajectory_svg(const Trajectory& of) {
  constexpr double kHeight = 380;
  Frame frame;
  frame.top = 26;
  frame.bottom = kHeight - 40;
  frame.x_high = std::max<double>(of.trials, 1);
  fit_latencies(of, frame);
  Drawing drawing(kHeight, "latency over trials");
  axes(drawing, frame, 12, "trial", "us a token");
  if (of.floor_us > frame.y_low) {
    drawing.line(frame.left, frame.y(of.floor_us), frame.right, frame.y(of.floor_us), "floor");
    drawing.text(frame.right, frame.y(of.floor_us) - 5, "floor", "end");
  }
  std::string incumbent = fmt::format("M{} {}", svg_number(frame.x(0)), svg_number(frame.y(of.start_us)));
  for (const TrajectoryPoint& point : of.points) {
    const double x = frame.x(point.trial);
    const double low = std::max(point.low_us, frame.y_low);
    const double high = std::min(point.high_us, frame.y_high);
    if (std::isfinite(point.low_us) && std::isfinite(point.high_us) && low < high)
      drawing.line(x, frame.y(low), x, frame.y(high), point.kept ? "bar good" : "bar");
    if (point.kept) incumbent += fmt::format("H{}V{}", svg_number(x), svg_number(frame.y(point.latency_us)));
  }
  drawing.path(incumbent + fmt::format("H{}", svg_number(frame.right)), "incumbent");
  for (const uint32_t trial : of.without_latency) {
    const double x = frame.x(trial);
    drawing.path(fmt::format("M{0} {1}l6 6m0 -6l-6 6", svg_number(x - 3), svg_number(frame.bottom - 10)), "lost");
  }
  for (const TrajectoryPoint& point : of.points) {
    const std::string title = fmt::format("trial {}: {:.2f} us", point.trial, point.latency_us);
    if (point.latency_us > frame.y_high) {
      drawing.path(fmt::format("M{} {}l4 -7l4 7z", svg_number(frame.x(point.trial) - 4), svg_number(frame.top + 7)),
                   "dot");
    } else {
      drawing.dot(frame.x(point.trial), frame.y(point.latency_us), point.kept ? 5 : 3.2,
                  point.kept ? "dot kept" : "dot", title);
    }
  }
  return drawing.done();
}

std::string effects_svg(std::span<const EffectRow> rows) {
  constexpr double kRow = 22;
  constexpr double kMost = 0.35;  ///< of a ratio from 1, either way: what is beyond is drawn at the edge
  double groups = 0;
  std::vector<double> distances;
  for (size_t i = 0; i < rows.size(); ++i) {
    groups += i == 0 || rows[i].group != rows[i - 1].group ? 1 : 0;
    distances.push_back(std::abs(rows[i].ratio.value - 1));
  }
  // A few values that are far slower do not flatten the rest.
  const double most = rows.empty() ? 0 : eval::quantile(distances, 0.8);
  const double reach = std::clamp(1.3 * most, 0.02, kMost);
  Frame frame;
  frame.left = 330;
  frame.right = kWidth - 190;
  frame.x_low = -100 * reach;
  frame.x_high = 100 * reach;
  frame.top = 24;
  frame.bottom = frame.top + kRow * (static_cast<double>(rows.size()) + 1.25 * groups) + 6;
  Drawing drawing(frame.bottom + 40, "effect of each knob's values");
  const std::vector<double> ticks = round_ticks(frame.x_low, frame.x_high, 8);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    drawing.line(frame.x(tick), frame.top, frame.x(tick), frame.bottom, std::abs(tick) < step / 2 ? "axis" : "grid");
    drawing.text(frame.x(tick), frame.bottom + 18, (tick > 0 ? "+" : "") + tick_text(tick, step) + "%", "middle");
  }
  drawing.text(frame.x_low < 0 ? frame.left : 0, 12, "faster");
  drawing.text(frame.right, 12, "slower", "end");
  const auto held = [&](double ratio) { return frame.x(std::clamp(100 * (ratio - 1), frame.x_low, frame.x_high)); };
  double y = frame.top;
  for (size_t i = 0; i < rows.size(); ++i) {
    const EffectRow& row = rows[i];
    if (i == 0 || row.group != rows[i - 1].group) {
      y += 1.25 * kRow;
      drawing.text(0, y - 4, row.group, "start", "strong");
    }
    y += kRow;
    const char* side = row.ratio.high < 1 ? "good" : row.ratio.low > 1 ? "bad" : "";
    const double middle = y - 8;
    drawing.text(frame.left - 12, y - 4, row.label, "end");
    drawing.line(held(row.ratio.low), middle, held(row.ratio.high), middle, fmt::format("bar {}", side));
    drawing.dot(held(row.ratio.value), middle, 4, fmt::format("dot {}", side), row.detail);
    drawing.text(frame.right + 12, y - 4, row.detail);
  }
  return drawing.done();
}

std::string roofline_svg(std::span<const RooflineBar> bars) {
  constexpr double kRow = 46;
  Frame frame;
  frame.left = 110;
  frame.right = kWidth - 150;
  frame.top = 8;
  frame.bottom = frame.top + kRow * static_cast<double>(bars.size());
  for (const RooflineBar& bar : bars) frame.x_high = std::max(frame.x_high, bar.latency_us);
  Drawing drawing(frame.bottom + 40, "time above the floor");
  const std::vector<double> ticks = round_ticks(0, frame.x_high, 8);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    drawing.line(frame.x(tick), frame.top, frame.x(tick), frame.bottom, "grid");
    drawing.text(frame.x(tick), frame.bottom + 18, tick_text(tick, step), "middle");
  }
  drawing.text(frame.right, frame.bottom + 34, "us a token", "end");
  double y = frame.top;
  for (const RooflineBar& bar : bars) {
    drawing.text(frame.left - 12, y + 25, bar.label, "end", "strong");
    drawing.rect(frame.left, y + 8, frame.x(bar.latency_us) - frame.left, 26, "fill-over", 3);
    drawing.rect(frame.left, y + 8, frame.x(bar.floor_us) - frame.left, 26, "fill-floor", 3);
    drawing.text(frame.x(bar.latency_us) + 8, y + 25,
                 fmt::format("{:.1f}% of the floor", 100 * bar.floor_us / bar.latency_us), "start", "strong");
    y += kRow;
  }
  return drawing.done();
}

std::string scatter_svg(std::span<const ScatterPoint> points, const std::string& x_title, const std::string& y_title) {
  constexpr double kHeight = 340;
  if (points.empty()) return "";
  Frame frame;
  frame.top = 26;
  frame.bottom = kHeight - 40;
  const auto fit = [&](double ScatterPoint::*value, double& low, double& high) {
    low = points.front().*value;
    high = low;
    for (const ScatterPoint& point : points) {
      low = std::min(low, point.*value);
      high = std::max(high, point.*value);
    }
    const double margin = std::max(0.05 * (high - low), 0.005 * std::abs(high) + 1e-6);
    low -= margin;
    high += margin;
  };
  fit(&ScatterPoint::x, frame.x_low, frame.x_high);
  fit(&ScatterPoint::y, frame.y_low, frame.y_high);
  Drawing drawing(kHeight, x_title + " against " + y_title);
  axes(drawing, frame, 10, x_title, y_title);
  for (const ScatterPoint& point : points) {
    drawing.dot(frame.x(point.x), frame.y(point.y), point.kept ? 5 : 3.6, point.kept ? "dot kept" : "dot",
                fmt::format("{:.2f}, {:.2f}", point.x, point.y));
  }
  return drawing.done();
}

std::string timeline_svg(const eval::Timeline& timeline, double span_us) {
  constexpr double kNarrowest = 0.12;  ///< of the width: what is narrower cannot be seen
  constexpr std::array<std::pair<const char*, const char*>, 4> kPhases = {{{"wait", "waiting"},
                                                                           {"stage", "staging its input"},
                                                                           {"work", "streaming and products"},
                                                                           {"publish", "publishing"}}};
  const double row = timeline.sms > 64 ? 3 : timeline.sms > 16 ? 7 : 14;
  Frame frame;
  frame.left = 50;
  frame.top = 28;
  frame.bottom = frame.top + row * timeline.sms;
  frame.x_high = std::max(span_us, 1e-3);
  Drawing drawing(frame.bottom + 38, "what each SM does over time");
  double x = frame.left;
  for (const auto& [css, name] : kPhases) {
    drawing.rect(x, 6, 11, 11, fmt::format("fill-{}", css), 2);
    drawing.text(x + 16, 16, name);
    x += 40 + 7.0 * static_cast<double>(std::string_view(name).size());
  }
  const std::vector<double> ticks = round_ticks(0, frame.x_high, 10);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    drawing.line(frame.x(tick), frame.top, frame.x(tick), frame.bottom + 4, "grid");
    drawing.text(frame.x(tick), frame.bottom + 18, tick_text(tick, step), "middle");
  }
  drawing.text(frame.right, frame.bottom + 34, "us", "end");
  const uint32_t every = timeline.sms > 64 ? 12 : timeline.sms > 16 ? 4 : 1;
  for (uint32_t sm = 0; sm < timeline.sms; sm += every)
    drawing.text(frame.left - 7, frame.top + row * (sm + 0.5) + 4, fmt::format("SM {}", sm), "end");
  std::array<std::string, 4> paths;
  for (const eval::TaskTimes& times : timeline.tasks) {
    const std::array<double, 5> ends = {times.begin_us, times.inputs_us, times.staged_us, times.done_us,
                                        times.published_us};
    for (size_t phase = 0; phase < paths.size(); ++phase) {
      const double width = frame.x(ends[phase + 1]) - frame.x(ends[phase]);
      if (width < kNarrowest) continue;
      paths[phase] += fmt::format("M{} {}h{}", svg_number(frame.x(ends[phase])),
                                  svg_number(frame.top + row * (times.sm + 0.5)), svg_number(width));
    }
  }
  for (size_t phase = 0; phase < paths.size(); ++phase)
    drawing.path(paths[phase], fmt::format("ph-{}", kPhases[phase].first), row > 4 ? row - 1.5 : row - 0.4);
  return drawing.done();
}

}  // namespace amk::search
