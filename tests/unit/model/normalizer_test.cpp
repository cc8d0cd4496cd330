#include "model/normalizer.h"

#include <doctest/doctest.h>

#include "unit/model/small_tokenizer.h"

using namespace amk;
using namespace amk::model;

TEST_CASE("text comes out in NFC") {
  CHECK(*to_nfc("plain ASCII and café") == "plain ASCII and café");
  CHECK(*to_nfc("cafe\u0301") == "café");
  CHECK(*to_nfc("\u212B") == "Å");
  CHECK(*to_nfc("q\u0307\u0323") == "q\u0323\u0307");
  CHECK(*to_nfc("\u1100\u1161\u11A8") == "각");
  CHECK(*to_nfc("\u0958") == "\u0915\u093C");
  CHECK(*to_nfc("a\u0300\u0315") == "à\u0315");
  CHECK(*to_nfc(std::string_view("e\u0301\0e\u0301", 7)) == std::string("é\0é", 5));
  CHECK(to_nfc("")->empty());
}

TEST_CASE("a run of combining marks that no text has is refused") {
  std::string marks = "e";
  for (int i = 0; i < 256; ++i) marks += "\u0301";
  CHECK(to_nfc(marks).ok());
  marks += "\u0323";
  const Result<std::string> result = to_nfc(marks);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kUnsupported);
  CHECK(result.error().message == "expected at most 256 combining marks in a row, found 257");
}

TEST_CASE("a tokenizer with NFC encodes both forms of a text alike, one without it does not") {
  nlohmann::json file = small_tokenizer();
  CHECK(*parse(file)->encode("e\u0301", false) == bytes_of("e\u0301"));
  file["normalizer"] = {{"type", "NFC"}};
  CHECK(*parse(file)->encode("e\u0301", false) == bytes_of("é"));
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
  CHECK(*parse(file)->encode("e\u0301", false) == bytes_of("é"));
}
