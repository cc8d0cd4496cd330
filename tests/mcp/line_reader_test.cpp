#include "mcp/stdio/line_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace amk::mcp {
namespace {

/// The lines of the text, fed in pieces of that many bytes; "<oversized>" for each that is.
std::vector<std::string> lines_of(const std::string& text, size_t piece, size_t bytes_max = 10) {
  std::vector<std::string> out;
  LineReader reader(
      bytes_max, [&](std::string_view line) { out.emplace_back(line); }, [&] { out.emplace_back("<oversized>"); });
  for (size_t at = 0; at < text.size(); at += piece) reader.feed(std::string_view(text).substr(at, piece));
  reader.end_of_input();
  return out;
}

TEST_CASE("lines are the same in whatever pieces they come") {
  const std::string text = "one\n\n \t\r\ntwo\r\n0123456789\n01234567890\nthree\n012345678901234567890123";
  const std::vector<std::string> expected = {"one", "two", "0123456789", "<oversized>", "three", "<oversized>"};
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    CHECK(lines_of(text, piece) == expected);
  }
}

TEST_CASE("a last line needs no end") {
  CHECK(lines_of("a\nb", 1) == std::vector<std::string>{"a", "b"});
  CHECK(lines_of("", 1).empty());
}

}  // namespace
}  // namespace amk::mcp
