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

TEST_CASE("a value comes out as it is in the text") {
  constexpr std::string_view kText = R"({"a": [1, -2, 2.5, "x", true, null, {"b": []}], "c": {}})";
  const auto parsed = parse_json(kText, "f.json");
  REQUIRE(parsed.ok());
  CHECK(*parsed == Json::parse(kText));
}

TEST_CASE("a megabyte of open brackets is refused without a crash") {
  CHECK(error_of(std::string(1 << 20, '[')).find("levels of nesting") != std::string::npos);
  std::string objects;
  for (int i = 0; i < 200000; ++i) objects += R"({"a":)";
  CHECK(error_of(objects).find("levels of nesting") != std::string::npos);
}

TEST_CASE("nesting up to the bound is read, one level more is not") {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(error_of(nested(kJsonDepthMax)).empty());
  CHECK_FALSE(error_of(nested(kJsonDepthMax + 1)).empty());
}

TEST_CASE("a key twice in one object is refused by name, at any level and however it is spelt") {
  CHECK(error_of(R"({"a": 1, "b": 2, "a": 1})").find("'a' twice") != std::string::npos);
  CHECK(error_of(R"({"x": [{"a": 1, "\u0061": 1}]})").find("'a' twice") != std::string::npos);
  CHECK(error_of(R"({"a": {"a": 1}, "b": {"a": 1}})").empty());
}

TEST_CASE("what is no JSON is refused, and the message is printable") {
  for (const std::string text : {"", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "nul", "'a'", "{\"a\" 1}",
                                 "{\"a\": 1e999}", "{\"a\": NaN}", "\"\xff\xfe\"", "{} {}", "\x01"}) {
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
  const Json json = Json::parse(R"({"a": 1, "b": 2, "extra": 3})");
  JsonObject object = *JsonObject::create(json, "f.json", "");
  CHECK(object.has("b"));
  CHECK(object.unread() == std::vector<std::string>{"a", "extra"});
  object.skip({"a", "longer"});
  CHECK(object.unread() == std::vector<std::string>{"extra"});
  CHECK(object.all_read(ErrorCode::kUnsupported).error().text() == "f.json: extra: expected no such key, found 3");
  CHECK(object.has("extra"));
  CHECK(object.all_read(ErrorCode::kUnsupported).ok());
}

TEST_CASE("a key that is nearly one that was asked for is told so") {
  const Json json = Json::parse(R"({"decoders": 1})");
  JsonObject object = *JsonObject::create(json, "f.json", "");
  CHECK_FALSE(object.has("decoder"));
  const Status status = object.all_read(ErrorCode::kBadInput);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().message == "decoders: expected no such key, did you mean 'decoder', found 1");
}

TEST_CASE("what may be missing has a fallback, what is there must still be of its type") {
  const Json json = Json::parse(R"({"yes": true, "none": null, "text": "x"})");
  JsonObject object = *JsonObject::create(json, "f.json", "");
  CHECK(*object.boolean("yes", false));
  CHECK(*object.boolean("missing", true));
  CHECK_FALSE(object.boolean("missing").ok());
  CHECK_FALSE(object.boolean("none", true).ok());
  CHECK(*object.optional_string("text") == "x");
  CHECK(*object.optional_string("none") == std::nullopt);
  CHECK(*object.optional_string("missing") == std::nullopt);
  CHECK_FALSE(object.optional_string("yes").ok());
}

TEST_CASE("what is inside lists and objects is named by the way to it") {
  const Json json = Json::parse(R"({"list": [{"a": 1}, {"a": "x"}], "mixed": [{}, 2], "ids": [1, 2], "inner": {}})");
  JsonObject object = *JsonObject::create(json, "f.json", "top.");
  std::vector<JsonObject> list = *object.objects("list");
  REQUIRE(list.size() == 2);
  CHECK(*list[0].integer("a", 0, 9) == 1);
  CHECK(list[1].integer("a", 0, 9).error().message == "top.list[1].a: expected an integer from 0 to 9, found \"x\"");
  CHECK(list[1].place("a") == "f.json: top.list[1].a");
  CHECK(object.objects("mixed").error().message == "top.mixed[1]: expected an object, found 2");
  CHECK(object.object("inner")->prefix() == "top.inner.");
  CHECK(object.object("none").error().message == "top.none: expected an object, found no such key");
  CHECK(object.array("inner").error().message == "top.inner: expected an array, found {}");
  CHECK(*object.integers("ids", 1, 2) == std::vector<uint64_t>{1, 2});
  CHECK(object.integers("ids", 0, 1).error().message == "top.ids: expected integers from 0 to 1, found [1,2]");
}

TEST_CASE("a value that is no object is refused by its name") {
  const auto object = JsonObject::create(Json(3), "f.json", "rope_scaling.");
  CHECK(object.error().text() == "f.json: rope_scaling: expected an object, found 3");
}
