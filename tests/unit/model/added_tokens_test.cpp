#include "model/added_tokens.h"

#include <doctest/doctest.h>

#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;

namespace {

/// The pieces of `text`: tokens as "#id", text in brackets.
std::string split(const std::vector<AddedToken>& tokens, std::string_view text) {
  const Result<AddedTokenFinder> finder = AddedTokenFinder::build(tokens);
  REQUIRE(finder.ok());
  std::string out;
  const Status status = finder->split(text, [&](std::optional<uint32_t> id, std::string_view piece) {
    if (id) {
      out.append("#").append(std::to_string(*id));
    } else {
      out.append("[").append(piece).append("]");
    }
    return Status();
  });
  REQUIRE(status.ok());
  return out;
}

}  // namespace

TEST_CASE("tokens are found leftmost first, the longest of those that begin at one place") {
  const std::vector<AddedToken> tokens = {
      {.content = "<a", .id = 1}, {.content = "<a>", .id = 2}, {.content = "a>b", .id = 3}, {.content = "日", .id = 4}};
  CHECK(split(tokens, "x<a>b<a<") == "[x]#2[b]#1[<]");
  CHECK(split(tokens, "<a>") == "#2");
  CHECK(split(tokens, "a>b日本") == "#3#4[本]");
  CHECK(split(tokens, "").empty());
  CHECK(split({}, "<a>") == "[<a>]");
}

TEST_CASE("lstrip and rstrip take white space along, but not what the token before took") {
  const AddedToken left = {.content = "<l>", .id = 1, .lstrip = true};
  const AddedToken right = {.content = "<r>", .id = 2, .rstrip = true};
  CHECK(split({left, right}, "a \t\u3000<l> b") == "[a]#1[ b]");
  CHECK(split({left, right}, "a <r> \n b") == "[a ]#2[b]");
  CHECK(split({left, right}, "<r> <l> <r>") == "#2#1[ ]#2");
  CHECK(split({left, right}, "a\u180E<l>") == "[a\u180E]#1");
}

TEST_CASE("a single_word token is not taken beside a word character, and hides what begins inside it") {
  const std::vector<AddedToken> tokens = {{.content = "foo", .id = 1, .single_word = true}, {.content = "o-", .id = 2}};
  CHECK(split(tokens, "foo, foo") == "#1[, ]#1");
  CHECK(split(tokens, "xfoo foox foo_ éfoo") == "[xfoo foox foo_ éfoo]");
  CHECK(split(tokens, "(foo)") == "[(]#1[)]");
  CHECK(split(tokens, "xfoo-") == "[xfoo-]");
  CHECK(split(tokens, "◌\u0330foo") == "[◌\u0330foo]");
}

TEST_CASE("contents that are too long or there twice are refused") {
  CHECK_FALSE(AddedTokenFinder::build({{.content = std::string(513, 'a'), .id = 1}}).ok());
  CHECK_FALSE(AddedTokenFinder::build({{.content = "a", .id = 1}, {.content = "a", .id = 2}}).ok());
}

TEST_CASE("a token marked normalized is found in the normalised text, others in the text as it comes") {
  nlohmann::json file = small_tokenizer();
  file["normalizer"] = {{"type", "NFC"}};
  add_token(file, 256, "e\u0301x", {{"normalized", true}});
  add_token(file, 257, "e\u0301y");
  const Result<Tokenizer> tokenizer = parse(file);
  REQUIRE(tokenizer.ok());
  CHECK(*tokenizer->encode("éx", false) == std::vector<uint32_t>{256});
  CHECK(*tokenizer->encode("e\u0301x", false) == std::vector<uint32_t>{256});
  CHECK(*tokenizer->encode("e\u0301y", false) == std::vector<uint32_t>{257});
  CHECK(*tokenizer->encode("éy", false) == bytes_of("éy"));
}
