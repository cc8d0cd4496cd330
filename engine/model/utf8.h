// UTF-8 as the Unicode standard defines it: no surrogates, no overlong forms, nothing above U+10FFFF.
//
// Owns validation and the one rule by which broken bytes become U+FFFD. It never looks at what a character means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace amk::model {

/// What stands at the front of a run of bytes.
struct Utf8Head {
  enum class Kind {
    kCharacter,   ///< one whole character
    kInvalid,     ///< a maximal subpart of an ill-formed sequence: becomes one U+FFFD
    kIncomplete,  ///< the bytes end inside a sequence that is well-formed so far
  };
  Kind kind;
  size_t size;  ///< bytes, 1 to 4
};

/// `bytes` must not be empty. Source: Unicode 15, table 3-7 and section 3.9, "U+FFFD substitution of maximal subparts".
[[nodiscard]] Utf8Head utf8_head(std::string_view bytes);

/// The code point of the character at the front of `text`, which is valid UTF-8 and not empty.
[[nodiscard]] char32_t utf8_code_point(std::string_view text);

/// The bytes of the last character of `text`, which is valid UTF-8 and not empty.
[[nodiscard]] std::string_view utf8_last_character(std::string_view text);

/// Appends the UTF-8 form of a Unicode scalar value.
void append_utf8(std::string& out, char32_t code_point);

/// Offset of the first byte that is no part of a valid character, or npos where all of `text` is valid.
[[nodiscard]] size_t find_invalid_utf8(std::string_view text);

/// Appends `bytes` to `out`, each maximal ill-formed subpart as U+FFFD, and returns how many bytes were taken: all but
/// a trailing incomplete sequence. Gives what Rust's String::from_utf8_lossy gives for the bytes taken.
size_t append_lossy_utf8(std::string& out, std::string_view bytes);

/// `bytes` as a message may show them: valid UTF-8, cut with "..." where they are long.
[[nodiscard]] std::string shown_text(std::string_view bytes);

}  // namespace amk::model
