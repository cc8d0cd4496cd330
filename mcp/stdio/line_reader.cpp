#include "mcp/stdio/line_reader.h"

#include <utility>

namespace amk::mcp {

LineReader::LineReader(size_t bytes_max, OnLine on_line, OnOversized on_oversized)
    : bytes_max_(bytes_max), on_line_(std::move(on_line)), on_oversized_(std::move(on_oversized)) {}

void LineReader::feed(std::string_view bytes) {
  for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    append(bytes.substr(0, end));
    end_of_line();
    bytes.remove_prefix(end + 1);
  }
  append(bytes);
}

void LineReader::end_of_input() { end_of_line(); }

void LineReader::append(std::string_view part) {
  if (dropping_) return;
  if (line_.size() + part.size() <= bytes_max_) {
    line_.append(part);
    return;
  }
  dropping_ = true;
  line_ = std::string();  // its memory, too
  on_oversized_();
}

void LineReader::end_of_line() {
  if (!std::exchange(dropping_, false)) {
    const std::string line = std::exchange(line_, std::string());
    const size_t last = line.find_last_not_of(" \t\r");
    if (last != std::string::npos) on_line_(std::string_view(line).substr(0, last + 1));
  }
}

}  // namespace amk::mcp
