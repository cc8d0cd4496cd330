// Checked reading of JSON that comes from outside.
//
// Owns the rules every JSON file of a checkpoint is read by: bounded nesting, no key twice in one object, numbers of
// the declared kind and range, and messages that name the key, what was expected and what was found. It never decides
// what a key means.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk::model {

using Json = nlohmann::json;

/// Nesting beyond which a document is refused: a template in tokenizer.json needs 7, and recursion over a document must
/// stay shallow.
inline constexpr size_t kJsonDepthMax = 64;

/// Parses `text`; `location` names it in errors. kBadInput: no JSON, invalid UTF-8, a key twice in one object, nesting
/// beyond kJsonDepthMax, a number no double can hold.
Result<Json> parse_json(std::string_view text, const std::string& location);

/// `text` fit for a message: control and non-ASCII bytes become '?', and what is beyond `length_max` bytes "...".
std::string printable(std::string_view text, size_t length_max = 80);

/// The value as compact JSON, made printable.
std::string show_json(const Json& value);

/// The fields of one JSON object, read by name. It remembers which were asked for, so that a caller can refuse the
/// rest.
class JsonObject {
 public:
  /// `value` must outlive the reader. `prefix` is put before key names in messages ("rope_scaling."), and names the
  /// object itself where `value` is none (kBadInput).
  static Result<JsonObject> create(const Json& value, std::string location, std::string prefix);

  /// Whether the key is there at all, null included. Counts as asking for it.
  [[nodiscard]] bool has(std::string_view key);
  /// Whether the key is there with a value other than null. Counts as asking for it.
  [[nodiscard]] bool has_value(std::string_view key);
  /// The field, which must be there. Counts as asking for it.
  [[nodiscard]] const Json& at(std::string_view key);

  // Typed fields. kBadInput where the field is missing, of another type or outside [min, max].
  // `fallback` stands for a missing field.
  Result<uint64_t> integer(std::string_view key, uint64_t min, uint64_t max);
  Result<double> number(std::string_view key, double min, double max);
  Result<bool> boolean(std::string_view key, std::optional<bool> fallback = std::nullopt);
  Result<std::string> string(std::string_view key);
  /// Null and missing are nothing.
  Result<std::optional<std::string>> optional_string(std::string_view key);
  Result<const Json*> array(std::string_view key);
  /// An array of integers, each in [min, max].
  Result<std::vector<uint64_t>> integers(std::string_view key, uint64_t min, uint64_t max);
  /// The object there, its prefix "<prefix><key>.".
  Result<JsonObject> object(std::string_view key);
  /// An array of objects, the prefix of number i "<prefix><key>[i].".
  Result<std::vector<JsonObject>> objects(std::string_view key);

  /// Counts as asking for `keys`: their values are known to have no bearing.
  void skip(std::initializer_list<std::string_view> keys);
  /// Keys nobody asked for, in name order.
  [[nodiscard]] std::vector<std::string> unread() const;
  /// An error that names the first key nobody asked for, and the one it may have been meant to be.
  [[nodiscard]] Status all_read(ErrorCode code) const;

  /// "<prefix><key>: expected <expected>, found <the field>".
  [[nodiscard]] Error refusal(ErrorCode code, std::string_view key, std::string_view expected) const;
  /// "<location>: <prefix><key>", the field as a location.
  [[nodiscard]] std::string place(std::string_view key) const;
  [[nodiscard]] const std::string& location() const { return location_; }
  [[nodiscard]] const std::string& prefix() const { return prefix_; }

 private:
  JsonObject(const Json& value, std::string location, std::string prefix);

  const Json* value_;
  std::string location_;
  std::string prefix_;
  std::set<std::string, std::less<>> read_;
};

/// `value` as an integer in [min, max], or nothing: floats, strings and negative numbers are none.
std::optional<uint64_t> as_integer(const Json& value, uint64_t min, uint64_t max);

}  // namespace amk::model
