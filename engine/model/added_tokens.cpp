#include "model/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/utf8.h"

namespace amk::model {
namespace {

constexpr size_t kContentBytesMax = 512;

/// A word character of Unicode Technical Standard #18, annex C, as Rust's regex crate has it.
constexpr std::string_view kWordCharacter = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";

/// The Unicode property White_Space.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t leading_white_space(std::string_view text) {
  size_t size = 0;
  while (size < text.size() && is_white_space(utf8_code_point(text.substr(size)))) {
    size += utf8_head(text.substr(size)).size;
  }
  return size;
}

size_t trailing_white_space(std::string_view text) {
  const size_t size = text.size();
  while (!text.empty()) {
    const std::string_view last = utf8_last_character(text);
    if (!is_white_space(utf8_code_point(last))) break;
    text.remove_suffix(last.size());
  }
  return size - text.size();
}

Result<bool> is_word_character(const RegexMatcher& matcher, std::string_view character) {
  AMK_ASSIGN_OR_RETURN(const std::optional<TextRange> match, matcher.find(character, 0));
  return match.has_value();
}

/// Whether text[begin, end) has no word character on either side.
Result<bool> stands_alone(const RegexMatcher& matcher, std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    AMK_ASSIGN_OR_RETURN(const bool is_word, is_word_character(matcher, utf8_last_character(text.substr(0, begin))));
    if (is_word) return false;
  }
  if (end < text.size()) {
    const std::string_view rest = text.substr(end);
    AMK_ASSIGN_OR_RETURN(const bool is_word, is_word_character(matcher, rest.substr(0, utf8_head(rest).size)));
    if (is_word) return false;
  }
  return true;
}

}  // namespace

Result<AddedTokenFinder> AddedTokenFinder::build(std::vector<AddedToken> tokens) {
  AddedTokenFinder finder;
  finder.tokens_ = std::move(tokens);
  std::ranges::sort(finder.tokens_, {}, &AddedToken::content);
  for (uint32_t i = 0; i < finder.tokens_.size(); ++i) {
    const AddedToken& token = finder.tokens_[i];
    if (token.content.size() > kContentBytesMax) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected added tokens of at most {} bytes, found one of {} with id {}",
                               kContentBytesMax, token.content.size(), token.id),
                   "", ""};
    }
    if (i > 0 && token.content == finder.tokens_[i - 1].content) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected added tokens that differ when normalised, found '{}' twice, ids {} and {}",
                               shown_text(token.content), finder.tokens_[i - 1].id, token.id),
                   "", ""};
    }
    TokenRange& range = finder.by_first_byte_[static_cast<uint8_t>(token.content[0])];
    if (range.begin == range.end) range = {i, i};
    range.end = i + 1;
  }
  if (std::ranges::any_of(finder.tokens_, &AddedToken::single_word)) {
    AMK_ASSIGN_OR_RETURN(finder.word_character_, Regex::compile(kWordCharacter, false, "word character"));
  }
  return finder;
}

/// The longest token that is at the front of `text`: the tokens that agree with it so far are narrowed byte by byte.
const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  const TokenRange range = by_first_byte_[static_cast<uint8_t>(text[0])];
  auto begin = tokens_.begin() + range.begin;
  auto end = tokens_.begin() + range.end;
  const AddedToken* longest = nullptr;
  for (size_t depth = 1; begin != end; ++depth) {
    if (begin->content.size() == depth) longest = &*begin++;  // sorts before those that go on
    if (begin == end || depth == text.size()) break;
    const auto byte_at_depth = [depth](const AddedToken& token) { return static_cast<uint8_t>(token.content[depth]); };
    const auto byte = static_cast<uint8_t>(text[depth]);
    begin = std::ranges::lower_bound(begin, end, byte, {}, byte_at_depth);
    end = std::ranges::upper_bound(begin, end, byte, {}, byte_at_depth);
  }
  return longest;
}

Status AddedTokenFinder::split(std::string_view text, const Sink& sink) const {
  std::optional<RegexMatcher> matcher;
  if (word_character_) matcher.emplace(*word_character_);
  size_t done = 0;  // text before it has been handed out
  size_t position = 0;
  while (position < text.size()) {
    const AddedToken* token = longest_at(text.substr(position));
    if (token == nullptr) {
      ++position;
      continue;
    }
    size_t begin = position;
    size_t end = position + token->content.size();
    position = end;  // a match that is dropped below still hides what begins inside it
    if (token->single_word) {
      AMK_ASSIGN_OR_RETURN(const bool is_alone, stands_alone(*matcher, text, begin, end));
      if (!is_alone) continue;
    }
    // White space that the token before has taken is not taken again.
    if (token->lstrip) begin = std::max(begin - trailing_white_space(text.substr(0, begin)), done);
    if (token->rstrip) end += leading_white_space(text.substr(end));
    if (done < begin) AMK_TRY(sink(std::nullopt, text.substr(done, begin - done)));
    AMK_TRY(sink(token->id, token->content));
    done = end;
  }
  if (done < text.size()) AMK_TRY(sink(std::nullopt, text.substr(done)));
  return {};
}

}  // namespace amk::model
