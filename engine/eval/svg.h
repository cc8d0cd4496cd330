// A small writer of SVG: rectangles, lines, text and one-colour paths, at a fixed size, without scripts or style
// sheets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace amk::eval {

enum class Anchor : uint8_t { kStart, kMiddle, kEnd };

/// Coordinates are pixels from the upper left corner; numbers are written with at most two decimals.
class Svg {
 public:
  Svg(double width, double height);

  void rect(double x, double y, double width, double height, std::string_view fill);
  void line(double x1, double y1, double x2, double y2, std::string_view stroke, double width = 1);
  /// `text` is escaped here.
  void text(double x, double y, std::string_view text, Anchor anchor = Anchor::kStart, double size = 12,
            std::string_view fill = "#222222");
  /// `d` as SVG's path data; nothing where it is empty.
  void path(std::string_view d, std::string_view stroke, double width);
  /// The whole document.
  [[nodiscard]] std::string document() const;

 private:
  std::string head_;
  std::string body_;
};

/// "1.5", "2", "0.25": at most two decimals, no trailing zeros.
[[nodiscard]] std::string svg_number(double value);

}  // namespace amk::eval
