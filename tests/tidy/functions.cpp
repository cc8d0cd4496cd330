#include "tidy/functions.h"

#include <algorithm>
#include <iterator>

#include "tidy/source.h"

namespace amk::tidy {
namespace {

// What stands between two statements and before a brace, cut into words and signs. Whatever is in brackets is one
// token, "()", "[]" or "{}", since only the outline tells what the brace opens.
struct Token {
  std::string_view text;
  size_t offset = 0;
};

using Tokens = std::vector<Token>;

enum class Opens { kScope, kFunction, kOther };

struct Opening {
  Opens what = Opens::kOther;
  std::string name;   // of a function
  size_t offset = 0;  // where its declaration starts
};

// Just after the bracket that closes the one at `open`; the end of the text when there is none.
size_t after_closing(std::string_view code, size_t open) {
  size_t depth = 0;
  for (size_t at = open; at < code.size(); ++at) {
    if (std::string_view("([{").find(code[at]) != std::string_view::npos) ++depth;
    if (std::string_view(")]}").find(code[at]) != std::string_view::npos && --depth == 0) return at + 1;
  }
  return code.size();
}

std::string_view bracket_token(char open) { return open == '(' ? "()" : open == '[' ? "[]" : "{}"; }

Tokens tokens_of(std::string_view header) {
  Tokens tokens;
  for (size_t at = 0; at < header.size();) {
    size_t end = at + 1;
    if (is_word_char(header[at])) {
      while (end < header.size() && is_word_char(header[end])) ++end;
    } else if (header.substr(at, 2) == "::") {
      ++end;
    } else if (std::string_view("([{").find(header[at]) != std::string_view::npos) {
      end = after_closing(header, at);
      tokens.push_back({bracket_token(header[at]), at});
      at = end;
      continue;
    }
    if (std::string_view(" \t\r\n").find(header[at]) == std::string_view::npos) {
      tokens.push_back({header.substr(at, end - at), at});
    }
    at = end;
  }
  return tokens;
}

// Takes off what may stand before a declaration: access labels, attributes, template<...>.
void drop_prefix(Tokens& tokens) {
  constexpr std::string_view kAccess[] = {"public", "protected", "private"};
  const auto starts_with_access = [&] {
    return tokens.size() > 1 && tokens[1].text == ":" &&
           std::find(std::begin(kAccess), std::end(kAccess), tokens[0].text) != std::end(kAccess);
  };
  while (starts_with_access()) tokens.erase(tokens.begin(), tokens.begin() + 2);
  while (tokens.size() > 1 && tokens[0].text == "template" && tokens[1].text == "<") {
    size_t depth = 0;
    size_t at = 1;
    do {
      if (tokens[at].text == "<") ++depth;
      if (tokens[at].text == ">") --depth;
    } while (++at < tokens.size() && depth > 0);
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(at));
  }
  while (!tokens.empty() && tokens[0].text == "[]") tokens.erase(tokens.begin());
}

bool is_word(std::string_view text) { return is_word_char(text.front()); }

// Words that take parentheses in a declaration without being the function's name.
bool takes_parentheses(std::string_view word) {
  constexpr std::string_view kWords[] = {"alignas",  "requires",      "decltype",          "noexcept",
                                         "explicit", "__attribute__", "__launch_bounds__", "sizeof"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

size_t index_of(const Tokens& tokens, std::string_view text, size_t from = 0) {
  while (from < tokens.size() && tokens[from].text != text) ++from;
  return from;
}

// The index of the parameter list, tokens.size() when this declares no function.
size_t parameters_at(const Tokens& tokens) {
  const size_t operator_at = index_of(tokens, "operator");
  if (operator_at < tokens.size()) {
    // The call operator's own name is a pair of parentheses.
    const bool call = operator_at + 1 < tokens.size() && tokens[operator_at + 1].text == "()";
    return index_of(tokens, "()", operator_at + (call ? 2 : 1));
  }
  size_t angles = 0;  // std::function<void()> declares no function
  for (size_t i = 1; i < tokens.size(); ++i) {
    const std::string_view before = tokens[i - 1].text;
    if (tokens[i].text == "=") return tokens.size();
    if (tokens[i].text == "<") ++angles;
    if (tokens[i].text == ">" && angles > 0) --angles;
    if (tokens[i].text != "()" || angles > 0) continue;
    if (before == ">" || (is_word(before) && !takes_parentheses(before))) return i;
  }
  return tokens.size();
}

// The index of the word that the template arguments ending at `close` belong to.
size_t before_arguments(const Tokens& tokens, size_t close) {
  size_t depth = 0;
  for (size_t at = close; at > 0; --at) {
    if (tokens[at].text == ">") ++depth;
    if (tokens[at].text == "<" && --depth == 0) return at - 1;
  }
  return 0;
}

std::string function_name(const Tokens& tokens, size_t parameters) {
  const size_t operator_at = index_of(tokens, "operator");
  size_t first = operator_at < parameters ? operator_at : parameters - 1;
  if (first != operator_at && tokens[first].text == ">") first = before_arguments(tokens, first);
  while (first > 0 && (tokens[first - 1].text == "::" || tokens[first - 1].text == "~" || tokens[first].text == "::") &&
         tokens[first - 1].text != ">") {
    --first;
  }
  if (tokens[first].text == "::") ++first;  // of a class template: C<T>::f
  std::string name;
  for (size_t i = first; i < parameters; ++i) name += tokens[i].text;
  return name;
}

Opening classify(std::string_view header) {
  Tokens tokens = tokens_of(header);
  drop_prefix(tokens);
  if (tokens.empty()) return {};
  constexpr std::string_view kScopes[] = {"namespace", "class", "struct", "union"};
  const std::string_view first = tokens.front().text;
  if (std::find(std::begin(kScopes), std::end(kScopes), first) != std::end(kScopes)) return {Opens::kScope, {}, 0};
  if (first == "inline" && tokens.size() > 1 && tokens[1].text == "namespace") return {Opens::kScope, {}, 0};
  if (first == "extern" && index_of(tokens, "()") == tokens.size()) return {Opens::kScope, {}, 0};

  const size_t parameters = parameters_at(tokens);
  if (parameters == tokens.size() || parameters == 0 || first == "enum") return {};
  // In a constructor's list, a brace after a name initialises that member: the body comes later.
  const bool in_list = index_of(tokens, ":", parameters) < tokens.size();
  const std::string_view last = tokens.back().text;
  if (in_list && (is_word(last) || last == ">")) return {};
  return {Opens::kFunction, function_name(tokens, parameters), tokens.front().offset};
}

// Line numbers of growing offsets.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  size_t line_of(size_t offset) {
    for (; at_ < offset; ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
    return line_;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
};

}  // namespace

std::vector<Function> find_functions(std::string_view code) {
  const std::string plain = without_preprocessor(code);
  LineCounter lines(plain);
  std::vector<Function> functions;
  size_t header = 0;  // where the declaration that we are in starts
  for (size_t at = 0; at < plain.size(); ++at) {
    const char c = plain[at];
    if (c == ';' || c == '}') header = at + 1;
    if (c != '{') continue;
    const Opening opening = classify(std::string_view(plain).substr(header, at - header));
    if (opening.what == Opens::kScope) {
      header = at + 1;
      continue;
    }
    const size_t end = after_closing(plain, at);
    if (opening.what == Opens::kFunction) {
      const size_t first_line = lines.line_of(header + opening.offset);
      functions.push_back({opening.name, first_line, lines.line_of(end - 1)});
      header = end;
    }
    at = end - 1;
  }
  return functions;
}

}  // namespace amk::tidy
