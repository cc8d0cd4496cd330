#include "model/strict_json.h"

#include <doctest/doctest.h>

using namespace amk;
using namespace amk::model;

TEST_CASE("a value comes out as it is in the text") {
  const Result<nlohmann::json> value =
      parse_strict_json(R"({"a": [1, -2, 2.5, "x", true, null, {"b": []}], "c": {}})", "f");
  REQUIRE(value.ok());
  CHECK(*value == nlohmann::json::parse(R"({"a": [1, -2, 2.5, "x", true, null, {"b": []}], "c": {}})"));
}

TEST_CASE("broken JSON is bad input that names the file and the byte") {
  for (const std::string_view text :
       {"", "{", "[1,]", "{\"a\":1,}", "nul", "{} x", "\"\xFF\"", "[1", "{\"a\"}", "'a'"}) {
    CAPTURE(text);
    const Result<nlohmann::json> value = parse_strict_json(text, "f.json");
    REQUIRE_FALSE(value.ok());
    CHECK(value.error().code == ErrorCode::kBadInput);
    CHECK(value.error().location == "f.json");
    CHECK(value.error().message.starts_with("expected JSON, found"));
  }
}

TEST_CASE("a key that is in one object twice is refused by name") {
  const Result<nlohmann::json> value = parse_strict_json(R"({"a": {"b": 1, "c": 2, "b": 3}})", "f");
  REQUIRE_FALSE(value.ok());
  CHECK(value.error().message == "expected every key once in its object, found 'b' twice");
  CHECK(parse_strict_json(R"([{"b": 1}, {"b": 1}])", "f").ok());
}

TEST_CASE("nesting is bounded") {
  CHECK(parse_strict_json(std::string(64, '[') + std::string(64, ']'), "f").ok());
  CHECK_FALSE(parse_strict_json(std::string(65, '[') + std::string(65, ']'), "f").ok());
  CHECK_FALSE(parse_strict_json(std::string(1'000'000, '['), "f").ok());
}
