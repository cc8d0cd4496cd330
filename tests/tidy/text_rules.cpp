#include <cctype>

#include "tidy/rules.h"

namespace amk::tidy {
namespace {

constexpr size_t kColumnsMax = 120;

// Files that are input to a program, kept byte for byte.
constexpr std::string_view kDataFolders[] = {"models",       "tests/models",      "tests/golden",
                                             "tests/reject", "tests/fuzz/corpus", "tests/data"};

// Folders that exist on somebody's machine. Spelled without slashes, so that this file does not break the rule.
constexpr std::string_view kMachineFolders[] = {"work", "root", "home"};

bool is_data(const SourceFile& file) {
  for (const std::string_view folder : kDataFolders) {
    if (file.is_in(folder)) return true;
  }
  return false;
}

// Columns a line takes: UTF-8 code points, so that a box drawn in a comment is as wide as it looks.
size_t columns(std::string_view line) {
  size_t count = 0;
  for (const char c : line) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

// Whether an absolute path into `folder` stands in the line. What stands before the slash tells it from the tail of a
// relative path or of a URL; a name must follow.
bool names_machine_path(std::string_view line, std::string_view folder) {
  const std::string needle = "/" + std::string(folder) + "/";
  for (size_t at = line.find(needle); at != std::string_view::npos; at = line.find(needle, at + 1)) {
    const bool starts = at == 0 || (!is_word_char(line[at - 1]) &&
                                    std::string_view("./-~})*$").find(line[at - 1]) == std::string_view::npos);
    const size_t end = at + needle.size();
    const bool goes_on = end < line.size() && (is_word_char(line[end]) || line[end] == '.');
    if (starts && goes_on) return true;
  }
  return false;
}

void check_line(const SourceFile& file, size_t index, Findings& findings) {
  const std::string_view line = file.lines[index];
  const auto find = [&](const char* rule, std::string message) {
    findings.push_back({file.path, index + 1, rule, std::move(message)});
  };
  if (line.ends_with('\r'))
    find("carriage-return", "expected a line to end in a newline alone, found a carriage return");
  if (line.find('\t') != std::string_view::npos) find("tab", "expected spaces, found a tab");
  if (line.ends_with(' ') || line.ends_with('\t')) find("trailing-blank", "expected no blank at the end of the line");
  // A row of a table is a line, however long its help text is.
  const bool may_be_wide = !file.is_cpp() || file.kind == FileKind::kTable || file.is_generated();
  if (!may_be_wide && columns(line) > kColumnsMax) {
    find("line-length",
         "expected at most " + std::to_string(kColumnsMax) + " columns, found " + std::to_string(columns(line)));
  }
}

}  // namespace

Findings check_text(const SourceFile& file) {
  Findings findings;
  if (file.kind == FileKind::kBinary) return findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    for (const std::string_view folder : kMachineFolders) {
      if (!names_machine_path(file.lines[i], folder)) continue;
      findings.push_back({file.path, i + 1, "machine-path", "expected no path of one machine, found one"});
    }
  }
  if (is_data(file)) return findings;
  for (size_t i = 0; i < file.lines.size(); ++i) check_line(file, i, findings);
  if (!file.text.empty() && !file.text.ends_with('\n')) {
    findings.push_back({file.path, file.lines.size(), "final-newline", "expected a newline at the end of the file"});
  }
  return findings;
}

}  // namespace amk::tidy
