#include "eval/svg.h"

#include <fmt/format.h>

namespace amk::eval {
namespace {

/// Text as XML has it; what XML cannot hold becomes '?'.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

const char* anchor_name(Anchor anchor) {
  switch (anchor) {
    case Anchor::kStart:
      return "start";
    case Anchor::kMiddle:
      return "middle";
    case Anchor::kEnd:
      return "end";
  }
  return "start";
}

}  // namespace

std::string svg_number(double value) {
  std::string out = fmt::format("{:.2f}", value);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out == "-0" ? "0" : out;
}

Svg::Svg(double width, double height) {
  const std::string w = svg_number(width);
  const std::string h = svg_number(height);
  head_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" "
      "font-family=\"sans-serif\">\n<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n",
      w, h, w, h, w, h);
}

void Svg::rect(double x, double y, double width, double height, std::string_view fill) {
  body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", svg_number(x),
                       svg_number(y), svg_number(width), svg_number(height), fill);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view stroke, double width) {
  body_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"{}\"/>\n",
                       svg_number(x1), svg_number(y1), svg_number(x2), svg_number(y2), stroke, svg_number(width));
}

void Svg::text(double x, double y, std::string_view text, Anchor anchor, double size, std::string_view fill) {
  body_ += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\" font-size=\"{}\" fill=\"{}\">{}</text>\n",
                       svg_number(x), svg_number(y), anchor_name(anchor), svg_number(size), fill, escaped(text));
}

void Svg::path(std::string_view d, std::string_view stroke, double width) {
  if (d.empty()) return;
  body_ +=
      fmt::format("<path d=\"{}\" stroke=\"{}\" stroke-width=\"{}\" fill=\"none\"/>\n", d, stroke, svg_number(width));
}

std::string Svg::document() const { return head_ + body_ + "</svg>\n"; }

}  // namespace amk::eval
