// One JSON object of a file, read member by member; what is missing, of another type or unknown is an error that says
// where.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::model {

class JsonMembers {
 public:
  /// kBadInput unless `value` is an object. `value` must outlive it; `location` is "file#/pointer".
  static Result<JsonMembers> from(const nlohmann::json& value, std::string location);

  /// kUnsupported for a member not in `known`: nothing in a file is ignored.
  Status only(std::initializer_list<std::string_view> known) const;

  /// The member, or null where there is none.
  [[nodiscard]] const nlohmann::json* find(std::string_view key) const;
  /// Whether the member is there and not null.
  [[nodiscard]] bool has(std::string_view key) const;

  // The member as a type; kBadInput where it is of another, or missing and without `fallback`.
  Result<bool> boolean(std::string_view key, std::optional<bool> fallback = std::nullopt) const;
  Result<std::string> string(std::string_view key) const;
  /// Null and missing are nothing.
  Result<std::optional<std::string>> optional_string(std::string_view key) const;
  Result<uint32_t> id(std::string_view key) const;
  Result<const nlohmann::json*> array(std::string_view key) const;
  Result<const nlohmann::json*> object(std::string_view key) const;

  /// "location/key".
  [[nodiscard]] std::string at(std::string_view key) const;
  [[nodiscard]] const std::string& location() const { return location_; }

 private:
  JsonMembers(const nlohmann::json& value, std::string location) : value_(&value), location_(std::move(location)) {}
  [[nodiscard]] Error wrong(std::string_view key, std::string_view expected) const;

  const nlohmann::json* value_;
  std::string location_;
};

/// A non-negative integer below 2^32; kBadInput otherwise.
Result<uint32_t> json_id(const nlohmann::json& value, const std::string& location);

}  // namespace amk::model
