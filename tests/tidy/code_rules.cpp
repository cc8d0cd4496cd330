#include <algorithm>

#include "tidy/rules.h"

namespace amk::tidy {
namespace {

// Words that say that work is unfinished. In two halves, so that this file does not break the rule.
constexpr std::string_view kBannedWords[] = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X",
    "HA"
    "CK"};

// Ways to write to the standard streams. The engine returns values; only the programs speak.
constexpr std::string_view kPrinting[] = {"std::cout", "std::cerr", "std::clog", "fmt::print", "std::print",
                                          "printf",    "fprintf",   "vprintf",   "vfprintf",   "dprintf",
                                          "puts",      "fputs",     "putchar",   "fputc",      "perror"};

// The one place in the engine that prints: it is about to abort. And the one in mcp/, whose stdout belongs to the
// protocol, before it serves and after.
constexpr std::string_view kMayPrint[] = {"engine/base/assert.cpp", "mcp/main.cpp", "mcp/conformance/main.cpp"};

bool may_print(const SourceFile& file) {
  return file.is_in("cli") || file.is_in("worker") || file.is_in("tests") || file.is_in("tools") ||
         file.is_in("bench") || std::ranges::count(kMayPrint, file.path) > 0;
}

void check_words(const SourceFile& file, Findings& findings) {
  for (size_t i = 0; i < file.lines.size(); ++i) {
    for (const std::string_view word : kBannedWords) {
      if (find_word(file.lines[i], word) == std::string_view::npos) continue;
      findings.push_back(
          {file.path, i + 1, "banned-word", "expected finished work, or an issue, found " + std::string(word)});
    }
  }
}

void check_printing(const SourceFile& file, Findings& findings) {
  for (size_t i = 0; i < file.code_lines.size(); ++i) {
    for (const std::string_view name : kPrinting) {
      if (find_word(file.code_lines[i], name) == std::string_view::npos) continue;
      findings.push_back({file.path, i + 1, "printing",
                          "expected only programs to write to the terminal, found " + std::string(name)});
    }
  }
}

void check_header(const SourceFile& file, Findings& findings) {
  if (file.lines.empty() || !file.lines.front().starts_with("//")) {
    findings.push_back({file.path, 1, "header-comment", "expected the first line to say what the header owns, in //"});
  }
  if (file.kind != FileKind::kHeader) return;
  const auto is_once = [](std::string_view line) { return trim(line) == "#pragma once"; };
  if (std::none_of(file.code_lines.begin(), file.code_lines.end(), is_once)) {
    findings.push_back({file.path, 0, "pragma-once", "expected #pragma once"});
  }
  for (size_t i = 0; i < file.code_lines.size(); ++i) {
    const size_t at = find_word(file.code_lines[i], "using");
    if (at == std::string_view::npos || !trim(file.code_lines[i].substr(at + 5)).starts_with("namespace")) continue;
    findings.push_back({file.path, i + 1, "using-namespace",
                        "expected names spelled out in a header, found a using "
                        "directive"});
  }
}

}  // namespace

Findings check_code(const SourceFile& file) {
  Findings findings;
  if (file.is_cpp() || file.kind == FileKind::kCmake || file.kind == FileKind::kScript) check_words(file, findings);
  if (file.is_cpp() && !may_print(file)) check_printing(file, findings);
  if (file.kind == FileKind::kHeader || file.kind == FileKind::kTable) check_header(file, findings);
  return findings;
}

}  // namespace amk::tidy
