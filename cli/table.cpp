#include "cli/table.h"

#include <algorithm>

#include "base/assert.h"

namespace amk::cli {
namespace {

void pad_to(std::string& line, size_t width, size_t used) {
  if (used < width) line.append(width - used, ' ');
}

}  // namespace

size_t display_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string grouped(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

void Table::add(std::vector<std::string> cells) {
  AMK_ASSERT(cells.size() == columns_.size(), "a row has one cell a column");
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.title));
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      if (i > 0) line += "  ";
      if (columns_[i].align == Align::kRight) pad_to(line, widths[i], display_width(cell));
      line += cell;
      if (columns_[i].align == Align::kLeft) pad_to(line, widths[i], display_width(cell));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add_line([&](size_t i) -> const std::string& { return columns_[i].title; });
  for (const std::vector<std::string>& row : rows_) {
    add_line([&](size_t i) -> const std::string& { return row[i]; });
  }
  return out;
}

std::string Facts::text() const {
  size_t width = 0;
  for (const auto& [name, value] : facts_) width = std::max(width, display_width(name));
  std::string out;
  for (const auto& [name, value] : facts_) {
    std::string line = name;
    pad_to(line, width + 2, display_width(name));
    for (const char c : value) {
      line += c;
      if (c == '\n') line.append(width + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace amk::cli
