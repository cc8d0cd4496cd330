#include "base/base64.h"

#include <doctest/doctest.h>

using namespace amk;

namespace {

std::string encoded(std::string_view text) { return base64_encode(std::as_bytes(std::span(text))); }

}  // namespace

TEST_CASE("the examples of RFC 4648 are written as they stand there") {
  CHECK(encoded("").empty());
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foob") == "Zm9vYg==");
  CHECK(encoded("fooba") == "Zm9vYmE=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
}

TEST_CASE("bytes of every length and value come back") {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < 600; ++i) {
    const auto back = base64_decode(base64_encode(bytes));
    REQUIRE(back.ok());
    CHECK((back.value() == bytes));
    bytes.push_back(static_cast<std::byte>(i * 167 + i / 256));
  }
}

TEST_CASE("what is not written by the encoder is refused") {
  for (const char* text : {"A", "AA", "AAA", "AAAAA", "AA=A", "A===", "====", "=AAA", "AA==AAAA", "AA A", "AA-_",
                           "AA\n=", "AB==", "AAB=", "\xff\xff\xff\xff"}) {
    CAPTURE(text);
    const auto decoded = base64_decode(text);
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.error().code == ErrorCode::kBadInput);
  }
}
