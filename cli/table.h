// Plain text tables: columns aligned, two blanks between them, no frames.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amk::cli {

enum class Align : uint8_t { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell a column; the last column may be as wide as it likes.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Title line and rows, each ended by a newline.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Name and value pairs, the values aligned; a value of several lines is indented.
class Facts {
 public:
  void add(std::string name, std::string value) { facts_.emplace_back(std::move(name), std::move(value)); }
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> facts_;
};

/// Columns that UTF-8 text takes, counted in code points.
[[nodiscard]] size_t display_width(std::string_view text);

/// "12,345".
[[nodiscard]] std::string grouped(uint64_t value);

}  // namespace amk::cli
