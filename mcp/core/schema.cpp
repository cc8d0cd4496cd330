#include "mcp/core/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/text.h"

namespace amk::mcp {
namespace {

using Findings = std::vector<SchemaFinding>;

bool has_type(const Json& value, std::string_view type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number() && std::nearbyint(value.get<double>()) == value.get<double>());
  }
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return type == "null" && value.is_null();
}

/// "type" is a name or a list of them.
bool fits_type(const Json& type, const Json& value) {
  if (type.is_string()) return has_type(value, type.get_ref<const std::string&>());
  return std::ranges::any_of(type, [&](const Json& one) { return has_type(value, one.get_ref<const std::string&>()); });
}

bool in_range(const Json& schema, double value) {
  if (schema.contains("minimum") && value < schema["minimum"].get<double>()) return false;
  if (schema.contains("exclusiveMinimum") && value <= schema["exclusiveMinimum"].get<double>()) return false;
  if (schema.contains("maximum") && value > schema["maximum"].get<double>()) return false;
  return !schema.contains("multipleOf") || std::fmod(value, schema["multipleOf"].get<double>()) == 0;
}

/// Characters, not bytes: JSON Schema counts those.
size_t characters(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool in_bounds(const Json& schema, const char* min, const char* max, size_t count) {
  return (!schema.contains(min) || count >= schema[min].get<size_t>()) &&
         (!schema.contains(max) || count <= schema[max].get<size_t>());
}

bool all_different(const Json& list) {
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (list[i] == list[j]) return false;
    }
  }
  return true;
}

/// Everything about the value that is not about its parts.
bool fits_itself(const Json& schema, const Json& value) {
  if (schema.contains("type") && !fits_type(schema["type"], value)) return false;
  if (schema.contains("const") && value != schema["const"]) return false;
  if (schema.contains("enum") && std::ranges::count(schema["enum"], value) == 0) return false;
  if (value.is_number()) return in_range(schema, value.get<double>());
  if (value.is_string())
    return in_bounds(schema, "minLength", "maxLength", characters(value.get_ref<const std::string&>()));
  if (value.is_array()) {
    return in_bounds(schema, "minItems", "maxItems", value.size()) &&
           (!schema.value("uniqueItems", false) || all_different(value));
  }
  return true;
}

void check(const Json& schema, const Json& value, const std::string& path, Findings& out);

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? shown_name(name) : path + "." + shown_name(name);
}

SchemaFinding unknown_member(const Json& properties, const std::string& path, const std::string& name) {
  std::vector<std::string_view> known;
  for (const auto& [key, unused] : properties.items()) known.push_back(key);
  const std::string all = known.empty() ? std::string("none") : join(known);
  return {below(path, name), fmt::format("expected one of the known names ({}), found '{}'{}", all, shown_name(name),
                                         did_you_mean(name, known))};
}

void check_object(const Json& schema, const Json& value, const std::string& path, Findings& out) {
  const Json& properties = member(schema, "properties");
  for (const Json& required : member(schema, "required")) {
    const auto& name = required.get_ref<const std::string&>();
    if (value.contains(name)) continue;
    out.push_back({below(path, name), fmt::format("expected {}, found nothing: it is required",
                                                  describe_schema(member(properties, name.c_str())))});
  }
  const Json& others = member(schema, "additionalProperties");
  for (const auto& [name, part] : value.items()) {
    if (properties.contains(name)) {
      check(properties[name], part, below(path, name), out);
    } else if (others.is_boolean() && !others.get<bool>()) {
      out.push_back(unknown_member(properties, path, name));
    } else if (others.is_object()) {
      check(others, part, below(path, name), out);
    }
  }
}

/// The findings of the alternative that the value was meant to be: the one of its type that has parts. Without one,
/// what the alternatives are.
void check_alternatives(const Json& schema, const Json& alternatives, const Json& value, const std::string& path,
                        bool only_one, Findings& out) {
  size_t fitting = 0;
  Findings meant;
  for (const Json& alternative : alternatives) {
    Findings found;
    check(alternative, value, path, found);
    if (found.empty()) ++fitting;
    if (fits_itself(alternative, value) && (value.is_object() || value.is_array())) meant = std::move(found);
  }
  if (fitting == 1 || (fitting > 1 && !only_one)) return;
  if (fitting == 0 && !meant.empty()) {
    out.insert(out.end(), meant.begin(), meant.end());
  } else {
    out.push_back({path, fmt::format("expected {}, found {}", describe_schema(schema), shown(value))});
  }
}

void check(const Json& schema, const Json& value, const std::string& path, Findings& out) {
  if (!fits_itself(schema, value)) {
    out.push_back({path, fmt::format("expected {}, found {}", describe_schema(schema), shown(value))});
    return;
  }
  if (schema.contains("oneOf")) check_alternatives(schema, schema["oneOf"], value, path, true, out);
  if (schema.contains("anyOf")) check_alternatives(schema, schema["anyOf"], value, path, false, out);
  if (value.is_object()) check_object(schema, value, path, out);
  if (value.is_array() && schema.contains("items")) {
    for (size_t i = 0; i < value.size(); ++i) check(schema["items"], value[i], fmt::format("{}[{}]", path, i), out);
  }
}

// ---- words ----------------------------------------------------------------------------------------------------------

std::string listed(const Json& values, const char* lead) {
  std::vector<std::string> texts;
  for (const Json& value : values) texts.push_back(to_line(value));
  return fmt::format("{}{}", lead, fmt::join(texts, ", "));
}

std::string bounds(const Json& schema, const char* min, const char* max, const char* unit) {
  const bool low = schema.contains(min);
  const bool high = schema.contains(max);
  const auto text = [&](const char* key) { return to_line(schema[key]); };
  if (low && high) return fmt::format(" {} {} to {}", *unit == 0 ? "from" : unit, text(min), text(max));
  if (low) return fmt::format(" {} {} or more", *unit == 0 ? "of" : unit, text(min));
  if (high) return fmt::format(" {} at most {}", *unit == 0 ? "of" : unit, text(max));
  return "";
}

std::string describe_type(const Json& schema, std::string_view type) {
  if (type == "integer" || type == "number") {
    const std::string above = schema.contains("exclusiveMinimum")
                                  ? fmt::format(" above {}", to_line(schema["exclusiveMinimum"]))
                                  : bounds(schema, "minimum", "maximum", "");
    const std::string step =
        schema.contains("multipleOf") ? fmt::format(", a multiple of {}", to_line(schema["multipleOf"])) : "";
    return fmt::format("{} {}{}{}", type == "integer" ? "an" : "a", type, above, step);
  }
  if (type == "string") return "a string" + bounds(schema, "minLength", "maxLength", "with a length of");
  if (type == "array") {
    const std::string of = schema.contains("items") ? ", each " + describe_schema(schema["items"]) : "";
    return "a list" + bounds(schema, "minItems", "maxItems", "with a length of") +
           (schema.value("uniqueItems", false) ? " without repetitions" : "") + of;
  }
  if (type == "object") return "an object";
  return std::string(type == "null" ? "" : "a ") + std::string(type);
}

std::string joined_with_or(const Json& alternatives, std::string (*words)(const Json&)) {
  std::string out;
  for (size_t i = 0; i < alternatives.size(); ++i) out += (i == 0 ? "" : " or ") + words(alternatives[i]);
  return out;
}

// ---- keywords -------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 24> kKeywords = {"$schema",
                                                        "additionalProperties",
                                                        "anyOf",
                                                        "const",
                                                        "default",
                                                        "description",
                                                        "enum",
                                                        "examples",
                                                        "exclusiveMinimum",
                                                        "items",
                                                        "maxItems",
                                                        "maxLength",
                                                        "maximum",
                                                        "minItems",
                                                        "minLength",
                                                        "minimum",
                                                        "multipleOf",
                                                        "oneOf",
                                                        "properties",
                                                        "required",
                                                        "title",
                                                        "type",
                                                        "uniqueItems",
                                                        "$comment"};

std::string unknown_in_list(const Json& schemas) {
  for (const Json& schema : schemas) {
    if (std::string found = unknown_keyword(schema); !found.empty()) return found;
  }
  return "";
}

}  // namespace

std::vector<SchemaFinding> check_schema(const Json& schema, const Json& value) {
  Findings out;
  check(schema, value, "", out);
  return out;
}

std::string describe_schema(const Json& schema) {
  if (schema.contains("const")) return to_line(schema["const"]);
  if (schema.contains("enum")) return listed(schema["enum"], "one of ");
  if (schema.contains("oneOf")) return joined_with_or(schema["oneOf"], describe_schema);
  if (schema.contains("anyOf")) return joined_with_or(schema["anyOf"], describe_schema);
  const Json& type = member(schema, "type");
  if (type.is_string()) return describe_type(schema, type.get_ref<const std::string&>());
  std::string out;
  for (const Json& one : type)
    out += (out.empty() ? "" : " or ") + describe_type(schema, one.get_ref<const std::string&>());
  return out.empty() ? "any value" : out;
}

std::string unknown_keyword(const Json& schema) {
  if (schema.is_boolean()) return "";
  for (const auto& [keyword, value] : schema.items()) {
    if (std::ranges::count(kKeywords, keyword) == 0) return keyword;
    std::string found;
    if (keyword == "items" || keyword == "additionalProperties") found = unknown_keyword(value);
    if (keyword == "properties" || keyword == "oneOf" || keyword == "anyOf") found = unknown_in_list(value);
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace amk::mcp
