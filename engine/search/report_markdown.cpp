#include <fmt/format.h>

#include "search/report_document.h"

namespace amk::search {
namespace {

/// Plain text: nothing in it is markup.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      if (c == '\\' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']' || c == '|') out += '\\';
      out += c;
    }
  }
  return out;
}

/// A name or value in a table's cell. A backtick or a bar inside cannot be escaped there: it is plain text then.
std::string code(const std::string& text) {
  if (text.empty()) return "";
  return text.find_first_of("`|\n") == std::string::npos ? "`" + text + "`" : plain(text);
}

class Page {
 public:
  std::string text(const Report& report) {
    out_ = fmt::format("# {}\n\n", plain(report.title));
    paragraph(report.about);
    for (const ReportPart& one : report.parts) part(one);
    while (out_.ends_with("\n\n")) out_.pop_back();
    return std::move(out_);
  }

 private:
  void paragraph(const std::string& text) {
    if (!text.empty()) out_ += plain(text) + "\n\n";
  }

  void part(const ReportPart& of) {
    if (!of.title.empty()) out_ += fmt::format("## {}\n\n", plain(of.title));
    paragraph(of.about);
    std::string badges;
    for (const std::string& badge : of.badges)
      badges += fmt::format("{}**{}**", badges.empty() ? "" : " ", plain(badge));
    if (!badges.empty()) out_ += badges + "\n\n";
    if (!of.tiles.empty()) out_ += "| | | |\n|---|---|---|\n";
    for (const ReportTile& tile : of.tiles)
      out_ += fmt::format("| {} | **{}** | {} |\n", plain(tile.label), plain(tile.value), plain(tile.detail));
    if (!of.tiles.empty()) out_ += "\n";
    for (const ReportSection& one : of.sections) {
      out_ += fmt::format("### {}\n\n", plain(one.title));
      for (const ReportBlock& block : one.blocks) std::visit([this](const auto& item) { add(item); }, block);
    }
  }

  void add(const ReportText& of) { paragraph(of.text); }
  void add(const ReportNote& of) { out_ += fmt::format("> {}\n\n", plain(of.text)); }

  void add(const ReportTable& of) {
    std::string rule;
    out_ += "|";
    for (const ReportColumn& column : of.columns) {
      out_ += fmt::format(" {} |", plain(column.title));
      rule += column.right ? "---:|" : "---|";
    }
    out_ += "\n|" + rule + "\n";
    for (const std::vector<std::string>& row : of.rows) {
      out_ += "|";
      for (size_t i = 0; i < row.size() && i < of.columns.size(); ++i)
        out_ += fmt::format(" {} |", of.columns[i].code ? code(row[i]) : plain(row[i]));
      out_ += "\n";
    }
    out_ += "\n";
  }

  void add(const ReportChart& of) { out_ += fmt::format("*Chart, in the HTML page:* {}\n\n", plain(of.caption)); }

  void add(const ReportCode& of) {
    std::string fence = "```";
    while (of.text.find(fence) != std::string::npos) fence += "`";
    out_ += fmt::format("{}:\n\n{}\n{}\n{}\n\n", plain(of.title), fence, of.text, fence);
  }

  std::string out_;
};

}  // namespace

std::string report_markdown(const Report& report) { return Page().text(report); }

}  // namespace amk::search
