// Bytes in, lines out: what a client writes comes in any pieces.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace amk::mcp {

/// Keeps at most one line of `bytes_max` bytes. What is longer is dropped up to its end, and told once.
class LineReader {
 public:
  using OnLine = std::function<void(std::string_view line)>;
  using OnOversized = std::function<void()>;

  LineReader(size_t bytes_max, OnLine on_line, OnOversized on_oversized);

  void feed(std::string_view bytes);
  /// A last line may lack its end.
  void end_of_input();

 private:
  void append(std::string_view part);
  void end_of_line();

  const size_t bytes_max_;
  const OnLine on_line_;
  const OnOversized on_oversized_;
  std::string line_;
  bool dropping_ = false;
};

}  // namespace amk::mcp
