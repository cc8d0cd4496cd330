#include "model/utf8.h"

#include <doctest/doctest.h>

#include "model/byte_level.h"

using namespace amk::model;

namespace {

std::string lossy(std::string_view bytes) {
  std::string out;
  append_lossy_utf8(out, bytes);
  return out;
}

}  // namespace

TEST_CASE("every Unicode scalar value survives the way to UTF-8 and back") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    const bool is_valid = find_invalid_utf8(text) == std::string_view::npos && utf8_head(text).size == text.size();
    const bool is_found = is_valid && utf8_last_character(std::string("x").append(text)) == text;
    if (!is_found || utf8_code_point(text) != c) FAIL("code point ", static_cast<uint32_t>(c));
  }
}

TEST_CASE("overlong forms, surrogates, values above U+10FFFF and stray bytes are no UTF-8") {
  for (const std::string_view bad : {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xED\xA0\x80",
                                     "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xFF", "\xE2\x82", "\xC3"}) {
    CHECK(find_invalid_utf8(bad) == 0);
    CHECK(find_invalid_utf8(std::string("12345678abc").append(bad)) == 11);
  }
}

TEST_CASE("each maximal ill-formed subpart becomes one replacement character") {
  // The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
  CHECK(lossy("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  CHECK(lossy("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  CHECK(lossy("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB");
  CHECK(lossy("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFDA");
}

TEST_CASE("an unfinished character at the end is left for later") {
  std::string out;
  CHECK(append_lossy_utf8(out, "a\xF0\x9F\x99") == 1);
  CHECK(out == "a");
}

TEST_CASE("text for messages is valid UTF-8 however it was cut") {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "€";
  CHECK(find_invalid_utf8(shown_text(name)) == std::string_view::npos);
  CHECK(shown_text(name).ends_with("..."));
  CHECK(shown_text("\xFFz") == "\uFFFDz");
}

TEST_CASE("the byte-level alphabet is GPT-2's and a bijection") {
  CHECK(byte_level_character('A') == 'A');
  CHECK(byte_level_character(' ') == U'Ġ');
  CHECK(byte_level_character('\n') == U'Ċ');
  CHECK(byte_level_character(0xAD) == U'Ń');
  for (uint32_t byte = 0; byte < 256; ++byte) {
    CHECK(byte_level_byte(byte_level_character(static_cast<uint8_t>(byte))) == byte);
  }
  CHECK_FALSE(byte_level_byte(U' '));
  CHECK_FALSE(byte_level_byte(U'日'));
  CHECK(byte_level_decode("Ġé") == " \xE9");
  CHECK_FALSE(byte_level_decode("a日"));
}
