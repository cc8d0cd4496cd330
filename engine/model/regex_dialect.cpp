#include "model/regex_dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "model/utf8.h"

namespace amk::model {
namespace {

constexpr size_t kGroupDepthMax = 32;
constexpr uint32_t kRepeatMax = 1000;

/// The general categories, whose members Oniguruma and PCRE2 both take from the Unicode character database.
constexpr auto kCategories = std::to_array<std::string_view>(
    {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P", "Pc",
     "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp"});

/// Two letters that Unicode folds into one ligature or into the sharp s: Oniguruma then matches that one character,
/// PCRE2 does not.
constexpr std::array<std::string_view, 5> kFoldingPairs = {"ss", "ff", "fi", "fl", "st"};

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_punctuation(char c) { return c > ' ' && c < 0x7F && !is_ascii_letter(c) && !is_ascii_digit(c); }
char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// What can be said of a part of the pattern.
struct Part {
  bool can_be_empty = true;  ///< matches the empty text
  bool can_repeat = true;    ///< a quantifier may follow
};

/// Recursive descent over the pattern, writing the translation as it goes. Each parse function returns false after
/// setting `problem_`.
class Translator {
 public:
  Translator(std::string_view pattern, const std::string& location) : pattern_(pattern), location_(location) {}

  Result<std::string> run() {
    Part whole;
    if (!alternatives(whole, 0)) return refusal();
    if (position_ != pattern_.size()) {
      refuse("an unmatched ')'");
      return refusal();
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool at_end() const { return position_ == pattern_.size(); }
  [[nodiscard]] char peek() const { return pattern_[position_]; }
  [[nodiscard]] std::string_view rest() const { return pattern_.substr(position_); }

  bool take(std::string_view token) {
    if (!rest().starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  bool refuse(std::string_view what) {
    problem_ =
        fmt::format("expected a pattern that Oniguruma and PCRE2 read alike, found {} at byte {}", what, position_);
    return false;
  }

  [[nodiscard]] Error refusal() const { return Error{ErrorCode::kUnsupported, problem_, location_, ""}; }

  /// a|b|c up to ')' or the end.
  bool alternatives(Part& part, size_t depth) {
    part.can_be_empty = false;
    while (true) {
      bool branch_can_be_empty = true;
      while (!at_end() && peek() != '|' && peek() != ')') {
        Part item;
        if (!quantified(item, depth)) return false;
        branch_can_be_empty = branch_can_be_empty && item.can_be_empty;
      }
      part.can_be_empty = part.can_be_empty || branch_can_be_empty;
      if (!take("|")) return true;
      out_ += '|';
    }
  }

  bool quantified(Part& item, size_t depth) {
    if (!atom(item, depth)) return false;
    if (at_end()) return true;
    const char c = peek();
    if (c != '?' && c != '*' && c != '+' && c != '{') return true;
    if (!item.can_repeat) return refuse("a repeated assertion");
    if (c == '{') return interval(item);
    // Where the repeated part can match nothing, the two engines leave the loop at different times.
    if (c != '?' && item.can_be_empty) return refuse("an endless repetition of what can be empty");
    out_ += c;
    ++position_;
    if (c != '+') item.can_be_empty = true;
    if (!at_end() && (peek() == '?' || peek() == '+')) {
      out_ += peek();
      ++position_;
    }
    return no_second_quantifier();
  }

  bool interval(Part& item) {
    const size_t start = position_++;
    const std::optional<uint32_t> min = number();
    std::optional<uint32_t> max = min;
    if (take(",")) max = number();
    const bool is_open_ended = pattern_[position_ - 1] == ',';
    const bool is_whole = min.has_value() && (max.has_value() || is_open_ended) && take("}");
    if (!is_whole || *min > kRepeatMax || max.value_or(*min) > kRepeatMax || max.value_or(*min) < *min) {
      position_ = start;
      return refuse("'{' that opens no repetition {n}, {n,} or {n,m} of at most 1000");
    }
    if (item.can_be_empty) return refuse("a counted repetition of what can be empty");
    if (*min == 0) item.can_be_empty = true;
    out_ += pattern_.substr(start, position_ - start);
    return no_second_quantifier();
  }

  bool no_second_quantifier() {
    if (!at_end() && (peek() == '?' || peek() == '*' || peek() == '+' || peek() == '{')) {
      return refuse(fmt::format("a second quantifier '{}'", peek()));
    }
    return true;
  }

  std::optional<uint32_t> number() {
    uint32_t value = 0;
    const auto [end, problem] = std::from_chars(pattern_.data() + position_, pattern_.data() + pattern_.size(), value);
    if (problem != std::errc{}) return std::nullopt;
    position_ = static_cast<size_t>(end - pattern_.data());
    return value;
  }

  bool atom(Part& item, size_t depth) {
    const char c = peek();
    if (c == '(') return group(item, depth);
    if (c == '[') return item.can_be_empty = false, character_class();
    if (c == '\\') return item.can_be_empty = false, escape();
    if (std::string_view("^$.*+?{}]").find(c) != std::string_view::npos) return refuse(fmt::format("'{}'", c));
    item.can_be_empty = false;
    copy_character();
    return true;
  }

  /// One literal character, which is no operator in either dialect.
  void copy_character() {
    const size_t size = utf8_head(rest()).size;
    out_ += rest().substr(0, size);
    position_ += size;
  }

  bool group(Part& item, size_t depth) {
    if (depth == kGroupDepthMax) return refuse("groups nested too deep");
    const size_t start = position_;
    if (take("(?i:")) return caseless_group(item);
    const bool is_assertion = take("(?=") || take("(?!");
    if (!is_assertion && !take("(?:")) {
      if (rest().starts_with("(?") || rest().starts_with("(*")) return refuse(fmt::format("'{}'", group_opening()));
      take("(");
    }
    const size_t body = position_;
    out_ += pattern_.substr(start, body - start);
    if (!alternatives(item, depth + 1)) return false;
    if (!take(")")) return refuse("a group that is not closed");
    out_ += ')';
    if (is_assertion) item = Part{.can_be_empty = true, .can_repeat = false};
    return true;
  }

  /// The first characters of a group of a kind that is not modelled, to name it.
  [[nodiscard]] std::string_view group_opening() const {
    size_t size = 2;
    while (size < rest().size() && size < 4 && is_ascii_punctuation(rest()[size])) ++size;
    if (size == 2 && rest().size() > 2 && is_ascii_letter(rest()[2])) size = 3;
    return rest().substr(0, size);
  }

  /// (?i:...), whose body may hold only ASCII letters, digits, quotes, spaces and '|': what folds alike in both.
  bool caseless_group(Part& item) {
    out_ += "(?i:";
    item.can_be_empty = false;
    size_t branch_start = position_;
    while (!at_end() && peek() != ')') {
      const char c = peek();
      if (c == '|') {
        item.can_be_empty = item.can_be_empty || branch_start == position_;
        branch_start = position_ + 1;
      } else if (!is_ascii_letter(c) && !is_ascii_digit(c) && c != '\'' && c != '"' && c != ' ') {
        return refuse(fmt::format("'{}' under (?i: )", rest().substr(0, utf8_head(rest()).size)));
      } else if (position_ > branch_start) {
        const std::array<char, 2> pair = {ascii_lower(pattern_[position_ - 1]), ascii_lower(c)};
        if (std::ranges::count(kFoldingPairs, std::string_view(pair.data(), pair.size())) != 0) {
          return refuse("letters that fold into a ligature under (?i: )");
        }
      }
      out_ += c;
      ++position_;
    }
    item.can_be_empty = item.can_be_empty || branch_start == position_;
    if (!take(")")) return refuse("a group that is not closed");
    out_ += ')';
    return true;
  }

  /// A backslash and what follows, inside a class or outside: every form passed means the same in both places.
  bool escape() {
    if (rest().size() < 2) return refuse("a backslash at the end");
    const char c = rest()[1];
    switch (c) {
      case 's':
        // PCRE2's own \s holds U+180E, which is no white space since Unicode 6.3 and none to Oniguruma.
        return write_escape("\\p{White_Space}");
      case 'S':
        return write_escape("\\P{White_Space}");
      case 'd':
        return write_escape("\\p{Nd}");
      case 'D':
        return write_escape("\\P{Nd}");
      case 'n':
      case 'r':
      case 't':
      case 'f':
        return write_escape(rest().substr(0, 2));
      case 'p':
      case 'P':
        return property();
      default:
        if (is_ascii_punctuation(c)) return write_escape(rest().substr(0, 2));
        return refuse(fmt::format("'{}'", rest().substr(0, 1 + utf8_head(rest().substr(1)).size)));
    }
  }

  bool write_escape(std::string_view translation) {
    out_ += translation;
    position_ += 2;
    return true;
  }

  bool property() {
    const size_t close = rest().find('}');
    const bool has_name = rest().size() > 2 && rest()[2] == '{' && close != std::string_view::npos;
    const std::string_view name = has_name ? rest().substr(3, close - 3) : std::string_view();
    if (std::ranges::count(kCategories, name) == 0) {
      return refuse(fmt::format("'{}{{{}}}'", rest().substr(0, 2), shown_text(name)));
    }
    out_ += rest().substr(0, close + 1);
    position_ += close + 1;
    return true;
  }

  bool character_class() {
    out_ += '[';
    ++position_;
    if (take("^")) out_ += '^';
    bool is_empty = true;
    while (!at_end() && peek() != ']') {
      if (!class_item()) return false;
      is_empty = false;
    }
    if (is_empty || !take("]")) return refuse("a character class that is empty or not closed");
    out_ += ']';
    return true;
  }

  /// One character, one set, or a range a-b.
  bool class_item() {
    bool is_single = false;
    const size_t start = position_;
    if (!class_member(is_single)) return false;
    if (at_end() || peek() != '-' || rest().size() < 2 || rest()[1] == ']') return true;
    if (!is_single || pattern_.substr(start, 1) == "-") return refuse("a range that starts with a set or '-'");
    out_ += '-';
    ++position_;
    const size_t second = position_;
    if (!class_member(is_single)) return false;
    if (!is_single || pattern_.substr(second, 1) == "-") return refuse("a range that ends with a set or '-'");
    return true;
  }

  bool class_member(bool& is_single) {
    is_single = true;
    if (peek() == '\\') {
      is_single = rest().size() > 1 && std::string_view("sSdDpP").find(rest()[1]) == std::string_view::npos;
      return escape();
    }
    if (peek() == '[') return refuse("'[' inside a character class");
    if (rest().starts_with("&&")) return refuse("'&&' inside a character class");
    copy_character();
    return true;
  }

  std::string_view pattern_;
  const std::string& location_;
  size_t position_ = 0;
  std::string out_;
  std::string problem_;
};

}  // namespace

Result<std::string> translate_oniguruma(std::string_view pattern, const std::string& location) {
  return Translator(pattern, location).run();
}

}  // namespace amk::model
