// Arguments against schemas: our words, and another implementation's judgement.
#include "mcp/core/schema.h"

#include <doctest/doctest.h>

#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "mcp/tools/toolset.h"

namespace amk::mcp {
namespace {

std::string first(const Json& schema, const Json& value) {
  const auto findings = check_schema(schema, value);
  return findings.empty() ? "" : findings.front().text();
}

/// As valijson, an implementation of draft 7, has it; of the keywords that we use, both drafts say the same.
bool valijson_accepts(const Json& schema, const Json& value) {
  const nlohmann::json plain_schema = nlohmann::json::parse(schema.dump());
  const nlohmann::json plain_value = nlohmann::json::parse(value.dump());
  valijson::Schema parsed;
  valijson::SchemaParser parser;
  const valijson::adapters::NlohmannJsonAdapter schema_adapter(plain_schema);
  parser.populateSchema(schema_adapter, parsed);
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  const valijson::adapters::NlohmannJsonAdapter value_adapter(plain_value);
  return validator.validate(parsed, value_adapter, nullptr);
}

TEST_CASE("a finding names the place, what was expected and what was found") {
  const Json integer = {{"type", "integer"}, {"minimum", 1}, {"maximum", 9}};
  const Json schema = {{"type", "object"},
                       {"properties",
                        {{"a", {{"type", "object"}, {"properties", {{"b", integer}}}}},
                         {"list", {{"type", "array"}, {"items", integer}}}}},
                       {"required", {"a"}},
                       {"additionalProperties", false}};
  CHECK(first(schema, {{"a", {{"b", 10}}}}) == "a.b: expected an integer from 1 to 9, found 10");
  CHECK(first(schema, {{"a", Json::object()}, {"list", {1, 0}}}) ==
        "list[1]: expected an integer from 1 to 9, found 0");
  CHECK(first(schema, Json::object()) == "a: expected an object, found nothing: it is required");
  CHECK(first(schema, {{"a", Json::object()}, {"lits", 1}}) ==
        "lits: expected one of the known names (a, list), found 'lits', did you mean 'list'");
  CHECK(first(schema, 7) == "expected an object, found 7");
  CHECK(check_schema(schema, {{"a", {{"b", 0}}}, {"x", 1}, {"y", 2}}).size() == 3);
}

TEST_CASE("a value that is long is not repeated in full") {
  const std::string found = first({{"type", "integer"}}, std::string(5000, 'x'));
  CHECK(found == "expected an integer, found string of 5002 bytes");
}

TEST_CASE("of alternatives, the one that was meant is the one that is explained") {
  const Json knob = {{"oneOf", {{{"type", "integer"}, {"minimum", 8}}, {{"const", "auto"}}}}};
  CHECK(first(knob, 7) == "expected an integer of 8 or more or \"auto\", found 7");
  CHECK(first(knob, "auto").empty());
  const Json place = {
      {"oneOf",
       {{{"enum", {"a", "b"}}},
        {{"type", "object"}, {"required", {"list"}}, {"properties", {{"list", {{"type", "array"}}}}}}}}};
  CHECK(first(place, Json::object()) == "list: expected a list, found nothing: it is required");
}

TEST_CASE("a keyword that is not known is found wherever it is") {
  CHECK(unknown_keyword({{"type", "object"}, {"properties", {{"pattern", {{"type", "string"}}}}}}).empty());
  CHECK(unknown_keyword({{"items", {{"$ref", "#/a"}}}}) == "$ref");
  CHECK(unknown_keyword({{"properties", {{"a", {{"anyOf", {{{"pattern", "x"}}}}}}}}}) == "pattern");
}

/// The value, and what it becomes when any one part of it is replaced or removed.
void add_variants(const Json& value, const std::function<void(const Json&)>& use) {
  for (const Json& other :
       std::vector<Json>{nullptr, true, 0, -1, 7, 1e9, 0.5, "", "auto", "h100", Json::array(), Json::object(), {1}})
    use(other);
  if (!value.is_structured()) return;
  for (const auto& [key, part] : value.items()) {
    const Json::json_pointer at("/" + key);
    add_variants(part, [&](const Json& changed) {
      Json whole = value;
      whole[at] = changed;
      use(whole);
    });
    if (!value.is_object()) continue;
    Json without = value;
    without.erase(key);
    use(without);
  }
  if (value.is_object()) {
    Json more = value;
    more["surplus"] = 1;
    use(more);
  }
}

TEST_CASE("valijson accepts and refuses the same arguments of every tool") {
  RunStore store("/nowhere");
  const Json schedule = {{"fusion_grouping", {{"rmsnorm", "qkv"}, {"o", "residual"}}},
                         {"tiling", {{"gemv", {{"n_tile", 64}, {"k_chunk", "auto"}}}}},
                         {"sm_assignment", {{"measured", {1.0, 2.5}}}},
                         {"pipelining_depth", 8},
                         {"kernel_knobs", {{"stream_backend", "bulk"}}}};
  size_t judged = 0;
  size_t accepted = 0;
  for (const Tool& tool : all_tools(store)) {
    Json example = tool.input_schema["examples"][0];
    if (tool.input_schema["properties"].contains("schedule")) example["schedule"] = schedule;
    CAPTURE(tool.name);
    add_variants(example, [&](const Json& arguments) {
      const bool ours = check_schema(tool.input_schema, arguments).empty();
      if (ours != valijson_accepts(tool.input_schema, arguments)) FAIL_CHECK(arguments.dump());
      ++judged;
      accepted += ours ? 1 : 0;
    });
    CHECK(check_schema(tool.input_schema, tool.input_schema["examples"][0]).empty());
  }
  MESSAGE("judged ", judged, " arguments, accepted ", accepted);
  CHECK(judged > 1000);
  CHECK(accepted > 30);
}

}  // namespace
}  // namespace amk::mcp
