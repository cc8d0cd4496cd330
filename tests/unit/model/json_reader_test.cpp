#include "model/json_reader.h"

#include <doctest/doctest.h>

using namespace amk;
using namespace amk::model;

namespace {

std::string error_of(std::string_view text) {
  const auto parsed = parse_json(text, "here.json");
  return parsed.ok() ? "" : parsed.error().text();
}

}  // namespace

TEST_CASE("a megabyte of open brackets is refused without a crash") {
  CHECK(error_of(std::string(1 << 20, '[')).find("levels of nesting") != std::string::npos);
  std::string objects;
  for (int i = 0; i < 200000; ++i) objects += R"({"a":)";
  CHECK(error_of(objects).find("levels of nesting") != std::string::npos);
}

TEST_CASE("nesting up to the bound is read, one level more is not") {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
  };
  CHECK(error_of(nested(kJsonDepthMax)).empty());
  CHECK_FALSE(error_of(nested(kJsonDepthMax + 1)).empty());
}

TEST_CASE("a key twice in one object is refused by name, at any level and however it is spelt") {
  CHECK(error_of(R"({"a": 1, "b": 2, "a": 1})").find("'a' twice") != std::string::npos);
  CHECK(error_of(R"({"x": [{"a": 1, "\u0061": 1}]})").find("'a' twice") != std::string::npos);
  CHECK(error_of(R"({"a": {"a": 1}, "b": {"a": 1}})").empty());
}

TEST_CASE("what is no JSON is refused, and the message is printable") {
  for (const std::string text :
       {"", "{", "{\"a\" 1}", "{\"a\": 1e999}", "{\"a\": NaN}", "\"\xff\xfe\"", "{} {}", "\x01"}) {
    CAPTURE(text);
    const std::string error = error_of(text);
    CHECK(error.starts_with("here.json: expected JSON, found a "));
    for (const char c : error) CHECK((c >= 0x20 && c <= 0x7e));
  }
}

TEST_CASE("a long value is shown cut") {
  CHECK(show_json(Json(std::string(1000, 'x'))).size() < 100);
  CHECK(printable("a\nb\x80") == "a?b?");
}

TEST_CASE("fields are checked for presence, type and range") {
  const Json json = Json::parse(R"({"int": 3, "negative": -3, "float": 3.5, "whole": 3.0, "text": "3", "none": null})");
  JsonObject object = *JsonObject::create(json, "f.json", "outer.");
  CHECK(*object.integer("int", 1, 3) == 3);
  CHECK(*object.number("int", 0, 10) == 3.0);
  CHECK(*object.number("float", 0, 10) == 3.5);
  for (const std::string_view key : {"negative", "float", "whole", "text", "none", "missing"}) {
    CAPTURE(key);
    CHECK_FALSE(object.integer(key, 0, 10).ok());
  }
  CHECK_FALSE(object.integer("int", 4, 10).ok());
  CHECK_FALSE(object.number("text", 0, 10).ok());
  CHECK_FALSE(object.string("int").ok());
  CHECK_FALSE(object.boolean("int").ok());
  CHECK(object.integer("text", 1, 9).error().text() ==
        "f.json: outer.text: expected an integer from 1 to 9, found \"3\"");
  CHECK(object.has("none"));
  CHECK_FALSE(object.has_value("none"));
}

TEST_CASE("keys nobody asked for are listed") {
  const Json json = Json::parse(R"({"a": 1, "b": 2, "c": 3})");
  JsonObject object = *JsonObject::create(json, "f.json", "");
  CHECK(object.has("b"));
  CHECK(object.unread() == std::vector<std::string>{"a", "c"});
}

TEST_CASE("a value that is no object is refused by its name") {
  const auto object = JsonObject::create(Json(3), "f.json", "rope_scaling.");
  CHECK(object.error().text() == "f.json: rope_scaling: expected an object, found 3");
}
