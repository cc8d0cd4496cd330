#include <fmt/format.h>

#include <algorithm>

#include "search/report_document.h"

namespace amk::search {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--bg:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5b6675;--faint:#8b95a3;--line:#dfe4ea;--grid:#e9edf1;
--accent:#2463c9;
--good:#137a4f;--good-bg:#e3f4ec;--bad:#b3372b;--warn:#8a5a00;--warn-bg:#fff4dc;--mute:#a9b3bf;--code:#eef1f5;
--wait:#d5dae1;--stage:#e0a021;--work:#3d74cf;--publish:#c4483c}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2028;--ink:#e6eaf0;--soft:#a5b0bd;--faint:#7c8795;
--line:#2c3540;
--grid:#262e38;--accent:#78a9ff;--good:#5ccf9a;--good-bg:#173427;--bad:#ff8d80;--warn:#f2c264;--warn-bg:#35290f;
--mute:#5a6674;
--code:#232b35;--wait:#38424e;--stage:#e0a93c;--work:#6c9cf0;--publish:#e2746a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:21px;margin:0 0 4px;letter-spacing:-.005em}
h3{font-size:16px;margin:0 0 12px}
.about{color:var(--soft);margin:0 0 18px}
.part{margin-top:34px}
.badge{display:inline-block;border-radius:99px;padding:2px 11px;margin:0 6px 12px 0;font-size:12.5px;
font-weight:600;background:var(--warn-bg);color:var(--warn)}
.badge.measured{background:var(--good-bg);color:var(--good)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:12px;margin:4px 0 20px}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:13px 16px}
.tile b{display:block;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile.good b{color:var(--good)}
.tile span{display:block;font-size:12.5px;color:var(--soft)}
section{padding:20px 22px 22px;margin:0 0 16px}
p{margin:0 0 12px;max-width:78ch}
.note{border-left:3px solid var(--stage);background:var(--warn-bg);color:var(--ink);padding:9px 14px;
border-radius:0 6px 6px 0;max-width:none}
.scroll{overflow-x:auto;margin:0 0 12px}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line);padding:5px 14px 6px 0;
vertical-align:bottom}
td{border-bottom:1px solid var(--grid);padding:6px 14px 6px 0;vertical-align:top;overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
th.n,td.n{text-align:right;white-space:nowrap;overflow-wrap:normal}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
td code{background:var(--code);border-radius:4px;padding:1px 5px}
pre{background:var(--code);border-radius:8px;padding:12px 14px;overflow-x:auto;margin:8px 0 0;
white-space:pre-wrap;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--soft);font-size:13.5px}
figure{margin:0 0 14px}
figcaption{color:var(--soft);font-size:13px;margin-top:6px;max-width:88ch}
figure svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
svg .strong{fill:var(--ink)}
svg .grid{stroke:var(--grid);stroke-width:1}
svg .axis{stroke:var(--line);stroke-width:1}
svg .floor{stroke:var(--stage);stroke-width:1.5;stroke-dasharray:6 4}
svg .incumbent{stroke:var(--accent);stroke-width:2.2;fill:none;stroke-linejoin:round}
svg .bar{stroke:var(--mute);stroke-width:1.2}
svg .bar.good{stroke:var(--good)}
svg .bar.bad{stroke:var(--bad)}
svg .dot{fill:var(--card);stroke:var(--mute);stroke-width:1.4}
svg .dot.kept{fill:var(--good);stroke:var(--good)}
svg .dot.good{fill:var(--good);stroke:var(--good)}
svg .dot.bad{fill:var(--bad);stroke:var(--bad)}
svg .lost{stroke:var(--bad);stroke-width:1.6}
svg .fill-floor{fill:var(--accent)}
svg .fill-over{fill:var(--wait)}
svg .fill-wait{fill:var(--wait)} svg .fill-stage{fill:var(--stage)} svg .fill-work{fill:var(--work)}
svg .fill-publish{fill:var(--publish)}
svg .ph-wait{stroke:var(--wait)} svg .ph-stage{stroke:var(--stage)} svg .ph-work{stroke:var(--work)}
svg .ph-publish{stroke:var(--publish)}
footer{color:var(--faint);font-size:12.5px;margin-top:28px}
@media print{body{background:#fff}section,.tile{break-inside:avoid}}
)css";

class Page {
 public:
  explicit Page(const Report& report) : report_(report) {}

  std::string text() {
    out_ +=
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
        "<meta name=\"color-scheme\" content=\"light dark\"/>\n";
    out_ += fmt::format("<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{}</h1>\n",
                        html_escaped(report_.title), kStyle, html_escaped(report_.title));
    paragraph(report_.about, "about");
    out_ += "</header>\n";
    for (const ReportPart& one : report_.parts) part(one);
    out_ += "<footer>Written by amk. Nothing here was loaded from elsewhere.</footer>\n</main>\n</body>\n</html>\n";
    return std::move(out_);
  }

 private:
  void paragraph(const std::string& text, const char* css) {
    if (!text.empty()) out_ += fmt::format("<p class=\"{}\">{}</p>\n", css, html_escaped(text));
  }

  void part(const ReportPart& of) {
    out_ += "<div class=\"part\">\n";
    if (!of.title.empty()) out_ += fmt::format("<h2>{}</h2>\n", html_escaped(of.title));
    paragraph(of.about, "about");
    if (!of.badges.empty()) out_ += "<div>";
    for (const std::string& badge : of.badges) {
      out_ += fmt::format("<span class=\"badge{}\">{}</span>", badge.starts_with("measured") ? " measured" : "",
                          html_escaped(badge));
    }
    if (!of.badges.empty()) out_ += "</div>\n";
    if (!of.tiles.empty()) out_ += "<div class=\"tiles\">\n";
    for (const ReportTile& tile : of.tiles) {
      out_ +=
          fmt::format("<div class=\"tile{}\"><span>{}</span><b>{}</b><span>{}</span></div>\n", tile.good ? " good" : "",
                      html_escaped(tile.label), html_escaped(tile.value), html_escaped(tile.detail));
    }
    if (!of.tiles.empty()) out_ += "</div>\n";
    for (const ReportSection& one : of.sections) section(one);
    out_ += "</div>\n";
  }

  void section(const ReportSection& of) {
    out_ += fmt::format("<section>\n<h3>{}</h3>\n", html_escaped(of.title));
    for (const ReportBlock& one : of.blocks) std::visit([this](const auto& block) { add(block); }, one);
    out_ += "</section>\n";
  }

  void add(const ReportText& of) { out_ += fmt::format("<p>{}</p>\n", html_escaped(of.text)); }
  void add(const ReportNote& of) { paragraph(of.text, "note"); }

  void add(const ReportTable& of) {
    out_ += "<div class=\"scroll\"><table>\n<thead><tr>";
    for (const ReportColumn& column : of.columns)
      out_ += fmt::format("<th{}>{}</th>", column.right ? " class=\"n\"" : "", html_escaped(column.title));
    out_ += "</tr></thead>\n<tbody>\n";
    for (const std::vector<std::string>& row : of.rows) {
      out_ += "<tr>";
      for (size_t i = 0; i < row.size() && i < of.columns.size(); ++i) {
        const ReportColumn& column = of.columns[i];
        const std::string text = html_escaped(row[i]);
        out_ += fmt::format("<td{}>{}</td>", column.right ? " class=\"n\"" : "",
                            column.code && !text.empty() ? "<code>" + text + "</code>" : text);
      }
      out_ += "</tr>\n";
    }
    out_ += "</tbody>\n</table></div>\n";
  }

  void add(const ReportChart& of) {
    out_ += fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", of.svg, html_escaped(of.caption));
  }

  void add(const ReportCode& of) {
    out_ += fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n", html_escaped(of.title),
                        html_escaped(of.text));
  }

  const Report& report_;
  std::string out_;
};

/// Bytes of the UTF-8 sequence that starts here; 0 where it is none.
size_t sequence_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = byte(at);
  const size_t size = first < 0x80                    ? 1
                      : first >= 0xC2 && first < 0xE0 ? 2
                      : (first & 0xF0U) == 0xE0       ? 3
                      : first >= 0xF0 && first < 0xF5 ? 4
                                                      : 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return 0;
  }
  const unsigned second = byte(at + 1);
  const bool too_long = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F) ||
                            (first == 0xEF && second == 0xBF && byte(at + 2) >= 0xBE);
  return too_long || no_character ? 0 : size;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t size = sequence_at(text, i);
    const char c = text[i];
    if (size == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
      out += kReplacement;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += text.substr(i, size);
    }
    i += std::max<size_t>(size, 1);
  }
  return out;
}

std::string report_html(const Report& report) { return Page(report).text(); }

}  // namespace amk::search
