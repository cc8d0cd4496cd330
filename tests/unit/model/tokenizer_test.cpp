#include "model/tokenizer.h"

#include <doctest/doctest.h>

#include <array>

#include "base/files.h"
#include "base/random.h"
#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;
using nlohmann::json;
using Ids = std::vector<uint32_t>;

namespace {

constexpr const char* kModel = "models/shakespeare-llama-3m";

const Tokenizer& shipped() {
  static const Result<Tokenizer> tokenizer = Tokenizer::open(kModel);
  REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.error().text());
  return *tokenizer;
}

json expected() {
  const Result<std::string> text = read_file(std::string(kModel) + "/expected.json", 1 << 24);
  REQUIRE(text.ok());
  return json::parse(*text);
}

std::string random_text(Random& random) {
  std::string text;
  for (uint64_t i = random.below(60); i > 0; --i) {
    constexpr std::array<uint64_t, 4> kEnds = {0x80, 0x800, 0x10000, 0x110000};
    const auto c = static_cast<char32_t>(random.below(kEnds[random.below(kEnds.size())]));
    if (c < 0xD800 || c > 0xDFFF) append_utf8(text, c);
  }
  return text;
}

/// A tokenizer with single bytes, merges, an added token of literal text and one that is in the byte-level alphabet.
Tokenizer mixed_tokenizer() {
  json file = small_tokenizer();
  add_merge(file, "\xE6\x97", "\xA5");
  file["model"]["vocab"][byte_level("\xE6\x97")] = 257;
  add_token(file, 258, "日<s>", {{"special", true}});
  add_token(file, 259, "ÿé");
  Result<Tokenizer> tokenizer = parse(file);
  REQUIRE_MESSAGE(tokenizer.ok(), tokenizer.error().text());
  return std::move(tokenizer).value();
}

}  // namespace

TEST_CASE("the shipped checkpoint's texts become the ids that transformers gives, and back") {
  const json cases = expected();
  const auto check = [](const std::string& text, const Ids& ids) {
    CAPTURE(text);
    CHECK(*shipped().encode(text, true) == ids);
    CHECK(*shipped().decode(ids, false) == text);
  };
  for (const json& one : cases.at("tokenizer_cases")) check(one.at("text"), one.at("ids"));
  for (const json& one : cases.at("cases")) {
    check(one.at("prompt"), one.at("prompt_ids"));
    CHECK(*shipped().decode(one.at("generated_ids").get<Ids>(), true) == one.at("text"));
  }
  check(cases.at("perplexity").at("text"), cases.at("perplexity").at("ids"));
}

TEST_CASE("the shipped vocabulary is known by id and by name") {
  CHECK(shipped().vocab_size() == 2048);
  CHECK(shipped().id_of("<|begin_of_text|>") == 0);
  CHECK(shipped().is_special(1));
  CHECK_FALSE(shipped().is_special(2));
  CHECK_FALSE(shipped().is_special(2048));
  CHECK_FALSE(shipped().id_of("no such token"));
  CHECK_FALSE(shipped().id_of("\xFF"));
  CHECK(shipped().token_bytes(*shipped().id_of("Ġthe")) == " the");
  CHECK(shipped().token_bytes(2048).empty());
}

TEST_CASE("any text comes back as it was") {
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const std::string text = random_text(random);
    const Result<Ids> ids = shipped().encode(text, false);
    REQUIRE(ids.ok());
    REQUIRE(*shipped().decode(*ids, false) == text);
  }
}

TEST_CASE("special tokens in a text are recognised, and left out of a decode on request") {
  const Ids ids = *shipped().encode("a<|end_of_text|><|begin_of_text|>b", false);
  CHECK(ids == Ids{*shipped().id_of("a"), 1, 0, *shipped().id_of("b")});
  CHECK(*shipped().decode(ids, false) == "a<|end_of_text|><|begin_of_text|>b");
  CHECK(*shipped().decode(ids, true) == "ab");
  CHECK(shipped().encode("<|end_of_text", false)->size() > 1);
}

TEST_CASE("text that is no UTF-8 is refused, with the place of the first bad byte") {
  const Result<Ids> ids = shipped().encode("abc\xC3(", false);
  REQUIRE_FALSE(ids.ok());
  CHECK(ids.error().code == ErrorCode::kBadInput);
  CHECK(ids.error().message == "expected a text in UTF-8, found an invalid byte at 3");
  CHECK_FALSE(shipped().encode(std::string((16 << 20) + 1, 'a'), false).ok());
}

TEST_CASE("a megabyte of text, or of one letter, is encoded in linear time") {
  std::string text;
  const std::string part = expected().at("perplexity").at("text");
  while (text.size() < 1'000'000) text += part;
  CHECK(*shipped().decode(*shipped().encode(text, false), false) == text);
  for (const char c : {'a', ' ', '\n', '<', '7'}) {
    const std::string run(1'000'000, c);
    CHECK(*shipped().decode(*shipped().encode(run, false), false) == run);
  }
}

TEST_CASE("ids that are no token are bad input: beyond the vocabulary, or in a hole of it") {
  json file = small_tokenizer();
  file["model"]["vocab"]["zz"] = 300;
  const Result<Tokenizer> tokenizer = parse(file);
  REQUIRE(tokenizer.ok());
  CHECK(tokenizer->vocab_size() == 301);
  CHECK(tokenizer->token_bytes(299).empty());
  CHECK(*tokenizer->decode(Ids{300}, false) == "zz");
  for (const uint32_t id : {uint32_t{299}, uint32_t{301}, UINT32_MAX}) {
    const Result<std::string> text = tokenizer->decode(Ids{'a', id}, true);
    REQUIRE_FALSE(text.ok());
    CHECK(text.error().code == ErrorCode::kBadInput);
    CHECK(text.error().message.find(std::to_string(id)) != std::string::npos);
  }
}

TEST_CASE("a token wholly in the byte-level alphabet decodes to bytes, any other to its text") {
  const Tokenizer tokenizer = mixed_tokenizer();
  CHECK(tokenizer.token_bytes(258) == "日<s>");
  CHECK(tokenizer.token_bytes(259) == "\xFF\xE9");
  CHECK(*tokenizer.decode(Ids{'a', 258, 'b'}, false) == "a日<s>b");
  CHECK(*tokenizer.decode(Ids{259, 'b'}, false) == "\uFFFD\uFFFDb");
}

TEST_CASE("a streamed character comes when it is whole, and a broken one as soon as that is certain") {
  const Tokenizer tokenizer = mixed_tokenizer();
  StreamDecoder decoder(tokenizer, true);
  CHECK(decoder.push(0xF0)->empty());
  CHECK(decoder.push(0x9F)->empty());
  CHECK(decoder.push(258)->empty());  // special: skipped, even inside a character
  CHECK(decoder.push(0x99)->empty());
  CHECK(*decoder.push(0x82) == "🙂");
  CHECK(decoder.push(0xE6)->empty());
  CHECK(*decoder.push('x') == "\uFFFDx");
  CHECK_FALSE(decoder.push(5000).ok());
  CHECK(decoder.push(257)->empty());
  CHECK(decoder.finish() == "\uFFFD");
  CHECK(decoder.finish().empty());
}

TEST_CASE("the pieces of a stream are the decode of all ids at once, and each is whole") {
  const Tokenizer tokenizer = mixed_tokenizer();
  Random random(13);
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    Ids ids;
    for (uint64_t i = random.below(12); i > 0; --i) {
      const uint64_t id = random.below(2) == 0 ? 0x80 + random.below(0x80) : random.below(260);
      ids.push_back(static_cast<uint32_t>(id));
    }
    const bool skip = random.below(2) == 0;
    std::string bytes;
    for (const uint32_t id : ids) bytes += skip && tokenizer.is_special(id) ? "" : tokenizer.token_bytes(id);
    std::string whole;
    if (append_lossy_utf8(whole, bytes) != bytes.size()) whole += "\uFFFD";
    StreamDecoder decoder(tokenizer, skip);
    std::string streamed;
    for (const uint32_t id : ids) {
      const Result<std::string> piece = decoder.push(id);
      REQUIRE(piece.ok());
      REQUIRE(find_invalid_utf8(*piece) == std::string_view::npos);
      streamed += *piece;
    }
    streamed += decoder.finish();
    REQUIRE(streamed == whole);
    REQUIRE(*tokenizer.decode(ids, skip) == whole);
  }
}

TEST_CASE("a folder without a tokenizer.json is an error that names the file") {
  const Result<Tokenizer> tokenizer = Tokenizer::open("tests/models/llama-mha");
  REQUIRE_FALSE(tokenizer.ok());
  CHECK(tokenizer.error().text().find("llama-mha/tokenizer.json") != std::string::npos);
}
