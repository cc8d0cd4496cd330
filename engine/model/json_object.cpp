#include "model/json_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/text.h"
#include "model/strict_json.h"
#include "model/utf8.h"

namespace amk::model {

using nlohmann::json;

Result<JsonMembers> JsonMembers::from(const json& value, std::string location) {
  if (!value.is_object()) {
    return Error{ErrorCode::kBadInput, fmt::format("expected an object, found {}", json_kind(value)),
                 std::move(location), ""};
  }
  return JsonMembers(value, std::move(location));
}

Status JsonMembers::only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, member] : value_->items()) {
    if (std::ranges::find(known, std::string_view(key)) == known.end()) {
      const std::vector<std::string_view> names(known);
      return Error{ErrorCode::kUnsupported,
                   fmt::format("expected only members that are modelled, found '{}'{}", shown_text(key),
                               did_you_mean(key.substr(0, 80), names)),
                   location_, ""};
    }
  }
  return {};
}

const json* JsonMembers::find(std::string_view key) const {
  const auto& members = value_->get_ref<const json::object_t&>();
  const auto found = members.find(std::string(key));
  return found == members.end() ? nullptr : &found->second;
}

bool JsonMembers::has(std::string_view key) const {
  const json* member = find(key);
  return member != nullptr && !member->is_null();
}

Result<bool> JsonMembers::boolean(std::string_view key, std::optional<bool> fallback) const {
  const json* member = find(key);
  if (member == nullptr && fallback) return *fallback;
  if (member == nullptr || !member->is_boolean()) return wrong(key, "a boolean");
  return member->get<bool>();
}

Result<std::string> JsonMembers::string(std::string_view key) const {
  const json* member = find(key);
  if (member == nullptr || !member->is_string()) return wrong(key, "a string");
  return member->get<std::string>();
}

Result<std::optional<std::string>> JsonMembers::optional_string(std::string_view key) const {
  if (!has(key)) return std::optional<std::string>();
  AMK_ASSIGN_OR_RETURN(std::string text, string(key));
  return std::optional(std::move(text));
}

Result<uint32_t> JsonMembers::id(std::string_view key) const {
  const json* member = find(key);
  if (member == nullptr) return wrong(key, "an id");
  return json_id(*member, at(key));
}

Result<const json*> JsonMembers::array(std::string_view key) const {
  const json* member = find(key);
  if (member == nullptr || !member->is_array()) return wrong(key, "an array");
  return member;
}

Result<const json*> JsonMembers::object(std::string_view key) const {
  const json* member = find(key);
  if (member == nullptr || !member->is_object()) return wrong(key, "an object");
  return member;
}

std::string JsonMembers::at(std::string_view key) const { return fmt::format("{}/{}", location_, key); }

Error JsonMembers::wrong(std::string_view key, std::string_view expected) const {
  const json* member = find(key);
  return Error{ErrorCode::kBadInput,
               fmt::format("expected {}, found {}", expected, member == nullptr ? "nothing" : json_kind(*member)),
               at(key), ""};
}

Result<uint32_t> json_id(const json& value, const std::string& location) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT32_MAX) {
    return Error{
        ErrorCode::kBadInput,
        fmt::format("expected an id, found {}", value.is_number() ? value.dump() : std::string(json_kind(value))),
        location, ""};
  }
  return static_cast<uint32_t>(value.get<uint64_t>());
}

}  // namespace amk::model
