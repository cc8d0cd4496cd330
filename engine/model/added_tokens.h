// Added tokens in a text: found before normalisation and pre-tokenisation, and never split by them.
//
// Source: huggingface/tokenizers, tokenizer/added_vocabulary.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/regex.h"

namespace amk::model {

/// One entry of the file's added_tokens.
struct AddedToken {
  std::string content;
  uint32_t id = 0;
  bool single_word = false;  ///< only where no word character stands beside it
  bool lstrip = false;       ///< takes the white space on its left with it
  bool rstrip = false;       ///< takes the white space on its right with it
  bool normalized = false;   ///< looked for in the normalised text, in its own normalised form
  bool special = false;      ///< left out of a decode that skips special tokens
};

/// Finds the tokens of one set, leftmost first, the longest of those that begin at one place.
class AddedTokenFinder {
 public:
  /// One piece of the text: a token with its content, or text between tokens (never empty).
  using Sink = std::function<Status(std::optional<uint32_t> id, std::string_view text)>;

  /// `tokens` with their contents in the form they are looked for. kUnsupported for a content that is longer than 512
  /// bytes or there twice.
  static Result<AddedTokenFinder> build(std::vector<AddedToken> tokens);

  /// Hands the pieces of `text`, valid UTF-8, to `sink` from left to right. Stops at the first error.
  Status split(std::string_view text, const Sink& sink) const;

 private:
  /// Tokens [begin, end) of tokens_.
  struct TokenRange {
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  [[nodiscard]] const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;  ///< by content
  std::array<TokenRange, 256> by_first_byte_{};
  std::optional<Regex> word_character_;  ///< there if a token is single_word
};

}  // namespace amk::model
