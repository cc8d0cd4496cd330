// One file of the tree as the rules see it: its text, its lines, and its code with comments and literals blanked out.
//
// Owns the reading of C++ as text, and knows none of the rules. It is a scanner, not a compiler: enough of the
// language to tell code from comments and strings, no more.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amk::tidy {

enum class FileKind {
  kSource,  ///< .cpp, .cu
  kHeader,  ///< .h, .cuh
  kTable,   ///< .def
  kCmake,   ///< CMakeLists.txt, .cmake
  kScript,  ///< starts with "#!"
  kProse,   ///< any other text
  kBinary,
};

struct SourceFile {
  std::string path;  ///< from the root of the tree, with forward slashes
  FileKind kind = FileKind::kProse;
  std::string text;
  std::string code;                          ///< C++ only: `text`, same length, see code_of()
  std::vector<std::string_view> lines;       ///< of `text`, without the newlines
  std::vector<std::string_view> code_lines;  ///< of `code`

  SourceFile(std::string file_path, std::string file_text);
  // The lines look into the text, so a file stays where it was made.
  SourceFile(const SourceFile&) = delete;
  SourceFile& operator=(const SourceFile&) = delete;
  ~SourceFile() = default;

  [[nodiscard]] bool is_cpp() const;
  /// Inside `folder`, which is written without a slash at the end.
  [[nodiscard]] bool is_in(std::string_view folder) const;
  /// Made by amk-gen, as its first line says.
  [[nodiscard]] bool is_generated() const;
};

/// C++ `text` with comments and the insides of string and character literals turned to spaces. Length and newlines
/// stay as they are, so offsets and line numbers hold for both.
std::string code_of(std::string_view text);

/// `code` with preprocessor lines turned to spaces as well, and with only the first branch of every #if kept, so that
/// braces pair up.
std::string without_preprocessor(std::string_view code);

bool is_word_char(char c);

/// Where `word` stands in `line`, with no letter, digit or underscore on either side; npos when nowhere.
size_t find_word(std::string_view line, std::string_view word, size_t from = 0);

std::vector<std::string_view> split_lines(std::string_view text);

/// Without blanks at either end.
std::string_view trim(std::string_view text);

}  // namespace amk::tidy
