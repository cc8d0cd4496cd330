// A report as a document of blocks, and its two forms: one HTML page that needs nothing else, and Markdown.
//
// Text is plain and is escaped where it is written; only charts are markup, made by search/report_charts.h. The page
// has its style and pictures inside, no script, asks the network for nothing, and follows the reader's light or dark.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace amk::search {

struct ReportColumn {
  std::string title;
  bool right = false;  ///< numbers
  bool code = false;   ///< names and values of the tables
};

struct ReportText {
  std::string text;
};
/// Something that the reader must know before believing the numbers, or that is missing.
struct ReportNote {
  std::string text;
};
struct ReportTable {
  std::vector<ReportColumn> columns;
  std::vector<std::vector<std::string>> rows;
};
/// In Markdown only the caption stays; what it shows stands in a table beside it.
struct ReportChart {
  std::string svg;
  std::string caption;
};
/// Folded in until it is asked for.
struct ReportCode {
  std::string title;
  std::string text;
};
using ReportBlock = std::variant<ReportText, ReportNote, ReportTable, ReportChart, ReportCode>;

struct ReportSection {
  std::string title;
  std::vector<ReportBlock> blocks;
};

/// A number that counts, large.
struct ReportTile {
  std::string label;
  std::string value;
  std::string detail;
  bool good = false;
};

/// One campaign, or what comes before them.
struct ReportPart {
  std::string title;                ///< empty: the report's own title is enough
  std::string about;                ///< one line
  std::vector<std::string> badges;  ///< "predicted", "measured on GPU"
  std::vector<ReportTile> tiles;
  std::vector<ReportSection> sections;
};

struct Report {
  std::string title;
  std::string about;
  std::vector<ReportPart> parts;
};

[[nodiscard]] std::string report_html(const Report& report);
[[nodiscard]] std::string report_markdown(const Report& report);

/// Text as HTML and SVG have it; what XML cannot hold, and bytes that are no UTF-8, become U+FFFD.
[[nodiscard]] std::string html_escaped(std::string_view text);

}  // namespace amk::search
