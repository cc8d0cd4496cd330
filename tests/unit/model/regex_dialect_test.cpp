#include "model/regex_dialect.h"

#include <doctest/doctest.h>

#include "model/regex.h"

using namespace amk;
using namespace amk::model;

namespace {

Result<Regex> compile(std::string_view pattern) {
  AMK_ASSIGN_OR_RETURN(const std::string translated, translate_oniguruma(pattern, "pattern"));
  return Regex::compile(translated, false, "pattern");
}

/// The first match as text, or "-".
std::string first_match(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = compile(pattern);
  REQUIRE(regex.ok());
  const auto match = RegexMatcher(*regex).find(text, 0);
  REQUIRE(match.ok());
  return *match ? std::string(text.substr((*match)->begin, (*match)->end - (*match)->begin)) : "-";
}

std::string refusal(std::string_view pattern) {
  const Result<Regex> regex = compile(pattern);
  return regex.ok() ? "accepted" : regex.error().message;
}

}  // namespace

TEST_CASE("white space is Unicode's, which U+180E left and U+0085 is in") {
  CHECK(first_match(R"(\s+)", "a\u180E") == "-");
  CHECK(first_match(R"([^\S]+)", "a\u180E") == "-");
  CHECK(first_match(R"(\s+)", "a\u200B") == "-");
  CHECK(first_match(R"(\s+)", "a\u0085\u00A0\u2028\u3000b") == "\u0085\u00A0\u2028\u3000");
  CHECK(first_match(R"([^\s]+)", " \u180E ") == "\u180E");
}

TEST_CASE("what is modelled matches as it reads") {
  CHECK(first_match(R"(\p{N}{1,3})", "a12345") == "123");
  CHECK(first_match(R"(\p{N}+)", "aⅧ½٣b") == "Ⅷ½٣");
  CHECK(first_match(R"(\d+)", "Ⅷ½٣") == "٣");
  CHECK(first_match(R"(\s+(?!\S))", "a   b") == "  ");
  CHECK(first_match(R"((?i:'ll|'s))", "X'LL") == "'LL");
  CHECK(first_match(R"((?i:'s))", "x'ſ") == "'ſ");
  CHECK(first_match(R"([一-龥]+)", "ab日本c") == "日本");
  CHECK(first_match(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)", " ]ab") == "]ab");
  CHECK(first_match(R"((?:ab)+?c|(x)y)", "ababc") == "ababc");
}

TEST_CASE("what the two dialects read differently is refused by name") {
  CHECK(refusal(R"(\h+)").find("found '\\h' at byte 0") != std::string::npos);
  CHECK(refusal(R"(a\w+)").find("found '\\w' at byte 1") != std::string::npos);
  CHECK(refusal(R"(\v)").find("'\\v'") != std::string::npos);
  CHECK(refusal(R"(\bx)").find("'\\b'") != std::string::npos);
  CHECK(refusal(R"((a)\1)").find("'\\1'") != std::string::npos);
  CHECK(refusal(R"(\p{Han}+)").find("'\\p{Han}'") != std::string::npos);
  CHECK(refusal(R"(\p{^L})").find("'\\p{^L}'") != std::string::npos);
  CHECK(refusal("^a").find("'^'") != std::string::npos);
  CHECK(refusal("a$").find("'$'") != std::string::npos);
  CHECK(refusal("a.").find("'.'") != std::string::npos);
  CHECK(refusal("[a&&b]").find("'&&'") != std::string::npos);
  CHECK(refusal("[a[b]]").find("'[' inside a character class") != std::string::npos);
  CHECK(refusal("[[:alpha:]]").find("'[' inside a character class") != std::string::npos);
  CHECK(refusal(R"([a-\d])").find("range") != std::string::npos);
  CHECK(refusal("a{,3}").find("'{'") != std::string::npos);
  CHECK(refusal("a{2}+").find("second quantifier") != std::string::npos);
  CHECK(refusal("a**").find("second quantifier") != std::string::npos);
  CHECK(refusal("(a*)+").find("can be empty") != std::string::npos);
  CHECK(refusal("(?<n>a)").find("'(?<") != std::string::npos);
  CHECK(refusal("(?<=a)b").find("'(?<=") != std::string::npos);
  CHECK(refusal("(*UTF)a").find("'(*") != std::string::npos);
  CHECK(refusal("(?i)a").find("'(?i") != std::string::npos);
  CHECK(refusal("(?i:ß)").find("'ß' under (?i: )") != std::string::npos);
  CHECK(refusal("(?i:gas|asS)").find("ligature") != std::string::npos);
}

TEST_CASE("broken patterns are refused") {
  for (const std::string_view pattern :
       {"(",      "(a",       ")", "a)",  "[",    "[a",  "[]", "[^]",   "\\",    "a{", "a{2",
        "a{3,2}", "a{99999}", "*", "a|+", "\\p{", "\\p", "(?", "(?i:a", "[z-a]", "[a-"}) {
    CAPTURE(pattern);
    CHECK(refusal(pattern) != "accepted");
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += '(';
  CHECK(refusal(deep).find("nested too deep") != std::string::npos);
}

TEST_CASE("a pattern that matches the empty text is refused") {
  for (const std::string_view pattern : {"", "a*", "a|", "(?!a)", "(?i:|b)", "a?b{0}"}) {
    CAPTURE(pattern);
    CHECK(refusal(pattern) == "expected a pattern that does not match the empty text");
  }
}

TEST_CASE("a match that would take for ever ends in an error") {
  const Result<Regex> regex = compile("(?:a+)+b");
  REQUIRE(regex.ok());
  // Without its last byte, which spares PCRE2 the search, there would be 2^60 ways to try.
  const auto match = RegexMatcher(*regex).find(std::string(60, 'a') + "cb", 0);
  REQUIRE_FALSE(match.ok());
  CHECK(match.error().code == ErrorCode::kUnsupported);
}
