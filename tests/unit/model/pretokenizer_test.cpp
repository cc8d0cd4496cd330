#include "model/pretokenizer.h"

#include <doctest/doctest.h>

#include "model/tokenizer_json.h"
#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;

namespace {

using Pieces = std::vector<std::string>;

Pieces split(const nlohmann::json& pre_tokenizer, std::string_view text) {
  nlohmann::json file = small_tokenizer();
  file["pre_tokenizer"] = pre_tokenizer;
  const Result<TokenizerSpec> spec = parse_tokenizer_json(file.dump(), "small.json");
  REQUIRE_MESSAGE(spec.ok(), spec.error().text());
  Pieces pieces;
  const Status status = PreTokenizerRun(spec->pre_tokenizer).split(text, [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return Status();
  });
  REQUIRE(status.ok());
  return pieces;
}

}  // namespace

// The expected pieces are those of huggingface/tokenizers 0.22.

TEST_CASE("GPT-2: contractions in lower case only, digits in one run, a space goes with the word after it") {
  const nlohmann::json gpt2 = byte_level_step(true);
  CHECK(split(gpt2, "Hello world") == Pieces{"Hello", " world"});
  CHECK(split(gpt2, "I'LL don't") == Pieces{"I", "'", "LL", " don", "'t"});
  CHECK(split(gpt2, "  two  spaces ") == Pieces{" ", " two", " ", " spaces", " "});
  CHECK(split(gpt2, "a\n\n  b\r\n") == Pieces{"a", "\n\n ", " b", "\r\n"});
  CHECK(split(gpt2, "12345 6") == Pieces{"12345", " 6"});
  CHECK(split(gpt2, "日本語 text") == Pieces{"日本語", " text"});
  CHECK(split(gpt2, "ok 🙂!") == Pieces{"ok", " 🙂!"});
  CHECK(split(gpt2, "(x)==1") == Pieces{"(", "x", ")==", "1"});
  CHECK(split(gpt2, "a\u00A0b") == Pieces{"a", "\u00A0", "b"});
  CHECK(split(gpt2, "x\u180E y") == Pieces{"x", "\u180E", " y"});
  CHECK(split(gpt2, "").empty());
}

TEST_CASE("Llama 3: contractions in any case, digits in threes, newlines apart from the indent after them") {
  const nlohmann::json llama3 = split_steps(kLlama3Pattern);
  CHECK(split(llama3, "Hello world") == Pieces{"Hello", " world"});
  CHECK(split(llama3, "I'LL don't") == Pieces{"I", "'LL", " don", "'t"});
  CHECK(split(llama3, "'ſ") == Pieces{"'ſ"});
  CHECK(split(llama3, "  two  spaces ") == Pieces{" ", " two", " ", " spaces", " "});
  CHECK(split(llama3, "a\n\n  b\r\n") == Pieces{"a", "\n\n", " ", " b", "\r\n"});
  CHECK(split(llama3, "12345 6") == Pieces{"123", "45", " ", "6"});
  CHECK(split(llama3, "日本語 text") == Pieces{"日本語", " text"});
  CHECK(split(llama3, "ok 🙂!") == Pieces{"ok", " 🙂!"});
  CHECK(split(llama3, "(x)==1") == Pieces{"(x", ")==", "1"});
  CHECK(split(llama3, "a\u00A0b") == Pieces{"a", "\u00A0b"});
}

TEST_CASE("Qwen: as Llama 3, digits one by one") {
  const nlohmann::json qwen = split_steps(kQwenPattern);
  CHECK(split(qwen, "I'LL don't") == Pieces{"I", "'LL", " don", "'t"});
  CHECK(split(qwen, "12345 6") == Pieces{"1", "2", "3", "4", "5", " ", "6"});
  CHECK(split(qwen, "a\n\n  b\r\n") == Pieces{"a", "\n\n", " ", " b", "\r\n"});
}

TEST_CASE("SmolLM2: digits one by one, without the space before them, then GPT-2's pattern on what is between") {
  const nlohmann::json smol = digits_steps(true);
  CHECK(split(smol, "12345 6") == Pieces{"1", "2", "3", "4", "5", " ", "6"});
  CHECK(split(smol, "a 12b") == Pieces{"a", " ", "1", "2", "b"});
  CHECK(split(smol, "I'LL don't") == Pieces{"I", "'", "LL", " don", "'t"});
  CHECK(split(digits_steps(false), "a 12b3") == Pieces{"a", " ", "12", "b", "3"});
}

TEST_CASE("a prefix space goes before every piece that a step gets, unless it begins with one") {
  nlohmann::json steps = digits_steps(false);
  steps["pretokenizers"][1]["add_prefix_space"] = true;
  CHECK(split(steps, "12345 6") == Pieces{" 12345", " ", " 6"});
  CHECK(split(steps, "(x)==1") == Pieces{" (", "x", ")==", " 1"});
}

TEST_CASE("a contiguous split joins matches that touch, and a literal pattern is no expression") {
  nlohmann::json steps = split_steps(kLlama3Pattern);
  steps["pretokenizers"][0]["behavior"] = "Contiguous";
  steps["pretokenizers"][0]["pattern"] = {{"String", ".a"}};
  for (const bool invert : {false, true}) {
    steps["pretokenizers"][0]["invert"] = invert;
    CHECK(split(steps, "xa.a.a.b.a") == Pieces{"xa", ".a.a", ".b", ".a"});
  }
  steps["pretokenizers"][0]["behavior"] = "Isolated";
  CHECK(split(steps, "xa.a.a.b.a") == Pieces{"xa", ".a", ".a", ".b", ".a"});
}
