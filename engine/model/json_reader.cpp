#include "model/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace amk::model {
namespace {

constexpr size_t kParserMessageMax = 200;

/// nlohmann's text without its "[json.exception.parse_error.101] " tag; it may quote the input.
std::string parser_message(const std::exception& exception) {
  const std::string_view text = exception.what();
  const size_t tag = text.starts_with('[') ? text.find("] ") : std::string_view::npos;
  return printable(tag == std::string_view::npos ? text : text.substr(tag + 2), kParserMessageMax);
}

/// Builds the value as nlohmann's reader announces its parts: its own builder keeps the last of two equal keys and
/// nests without bound; neither is acceptable. Each callback returns whether to go on.
class DomBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return put(Json(nullptr)); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override { return put(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return put(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return put(Json(value)); }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return refuse("expected JSON, found a binary value"); }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [place, is_new] = open_.back()->get_ref<Json::object_t&>().emplace(std::move(name), nullptr);
    if (!is_new) return refuse(fmt::format("expected every key once, found '{}' twice", printable(place->first)));
    member_ = &place->second;
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& exception) override {
    return refuse("expected JSON, found a " + parser_message(exception));
  }

  Json root;
  std::string problem;  ///< set when a callback has returned false

 private:
  bool refuse(std::string message) {
    problem = std::move(message);
    return false;
  }

  /// Where the next value goes.
  Json& slot() {
    if (open_.empty()) return root;
    if (open_.back()->is_array()) return open_.back()->get_ref<Json::array_t&>().emplace_back();
    return *member_;
  }

  bool put(Json value) {
    slot() = std::move(value);
    return true;
  }

  bool open(Json container) {
    if (open_.size() == kJsonDepthMax) {
      return refuse(fmt::format("expected at most {} levels of nesting, found more", kJsonDepthMax));
    }
    Json& place = slot();
    place = std::move(container);
    open_.push_back(&place);  // stays in place: its parent takes no other value until this one is closed
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<Json*> open_;  ///< the containers around the next value, outermost first
  Json* member_ = nullptr;   ///< the member of the innermost object whose key was read last
};

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& location) {
  try {
    DomBuilder builder;
    if (!Json::sax_parse(text, &builder)) return Error{ErrorCode::kBadInput, builder.problem, location, ""};
    return std::move(builder.root);
  } catch (const Json::exception& exception) {
    return Error{ErrorCode::kBadInput, "expected JSON, found a " + parser_message(exception), location, ""};
  }
}

std::string printable(std::string_view text, size_t length_max) {
  std::string out(text.substr(0, length_max));
  std::ranges::replace_if(
      out, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  if (text.size() > length_max) out += "...";
  return out;
}

std::string show_json(const Json& value) {
  return printable(value.dump(-1, ' ', true, Json::error_handler_t::replace));
}

std::optional<uint64_t> as_integer(const Json& value, uint64_t min, uint64_t max) {
  if (!value.is_number_unsigned()) return std::nullopt;  // nlohmann's parser gives every integer >= 0 this type
  const auto number = value.get<uint64_t>();
  if (number < min || number > max) return std::nullopt;
  return number;
}

JsonObject::JsonObject(const Json& value, std::string location, std::string prefix)
    : value_(&value), location_(std::move(location)), prefix_(std::move(prefix)) {}

Result<JsonObject> JsonObject::create(const Json& value, std::string location, std::string prefix) {
  if (!value.is_object()) {
    const std::string name = prefix.empty() ? "" : prefix.substr(0, prefix.size() - 1) + ": ";
    return Error{ErrorCode::kBadInput, fmt::format("{}expected an object, found {}", name, show_json(value)),
                 std::move(location), ""};
  }
  return JsonObject(value, std::move(location), std::move(prefix));
}

bool JsonObject::has(std::string_view key) {
  read_.emplace(key);
  return value_->contains(key);
}

bool JsonObject::has_value(std::string_view key) { return has(key) && !at(key).is_null(); }

const Json& JsonObject::at(std::string_view key) {
  AMK_ASSERT(has(key), "a field that was not looked for");
  return *value_->find(key);
}

Result<uint64_t> JsonObject::integer(std::string_view key, uint64_t min, uint64_t max) {
  if (has(key)) {
    if (const auto number = as_integer(at(key), min, max)) return *number;
  }
  return refusal(ErrorCode::kBadInput, key, fmt::format("an integer from {} to {}", min, max));
}

Result<double> JsonObject::number(std::string_view key, double min, double max) {
  if (has(key) && at(key).is_number()) {
    const auto number = at(key).get<double>();
    if (number >= min && number <= max) return number;
  }
  return refusal(ErrorCode::kBadInput, key, fmt::format("a number from {} to {}", min, max));
}

Result<bool> JsonObject::boolean(std::string_view key, std::optional<bool> fallback) {
  if (!has(key) && fallback) return *fallback;
  if (has(key) && at(key).is_boolean()) return at(key).get<bool>();
  return refusal(ErrorCode::kBadInput, key, "true or false");
}

Result<std::string> JsonObject::string(std::string_view key) {
  if (has(key) && at(key).is_string()) return at(key).get<std::string>();
  return refusal(ErrorCode::kBadInput, key, "a string");
}

Result<std::optional<std::string>> JsonObject::optional_string(std::string_view key) {
  if (!has_value(key)) return std::optional<std::string>();
  AMK_ASSIGN_OR_RETURN(std::string text, string(key));
  return std::optional(std::move(text));
}

Result<const Json*> JsonObject::array(std::string_view key) {
  if (has(key) && at(key).is_array()) return &at(key);
  return refusal(ErrorCode::kBadInput, key, "an array");
}

Result<std::vector<uint64_t>> JsonObject::integers(std::string_view key, uint64_t min, uint64_t max) {
  AMK_ASSIGN_OR_RETURN(const Json* list, array(key));
  std::vector<uint64_t> out;
  out.reserve(list->size());
  for (const Json& element : *list) {
    const auto number = as_integer(element, min, max);
    if (!number) return refusal(ErrorCode::kBadInput, key, fmt::format("integers from {} to {}", min, max));
    out.push_back(*number);
  }
  return out;
}

Result<JsonObject> JsonObject::object(std::string_view key) {
  if (!has(key)) return refusal(ErrorCode::kBadInput, key, "an object");
  return create(at(key), location_, fmt::format("{}{}.", prefix_, printable(key)));
}

Result<std::vector<JsonObject>> JsonObject::objects(std::string_view key) {
  AMK_ASSIGN_OR_RETURN(const Json* list, array(key));
  std::vector<JsonObject> out;
  for (const Json& element : *list) {
    AMK_ASSIGN_OR_RETURN(JsonObject object,
                         create(element, location_, fmt::format("{}{}[{}].", prefix_, printable(key), out.size())));
    out.push_back(std::move(object));
  }
  return out;
}

void JsonObject::skip(std::initializer_list<std::string_view> keys) { read_.insert(keys.begin(), keys.end()); }

std::vector<std::string> JsonObject::unread() const {
  std::vector<std::string> out;
  for (const auto& item : value_->items()) {
    if (!read_.contains(item.key())) out.push_back(item.key());
  }
  return out;
}

Status JsonObject::all_read(ErrorCode code) const {
  const std::vector<std::string> rest = unread();
  if (rest.empty()) return {};
  const std::vector<std::string_view> names(read_.begin(), read_.end());
  return refusal(code, rest.front(), "no such key" + did_you_mean(std::string_view(rest.front()).substr(0, 80), names));
}

std::string JsonObject::place(std::string_view key) const {
  return fmt::format("{}: {}{}", location_, prefix_, printable(key));
}

Error JsonObject::refusal(ErrorCode code, std::string_view key, std::string_view expected) const {
  const auto found = value_->find(key);
  return {code,
          fmt::format("{}{}: expected {}, found {}", prefix_, printable(key), expected,
                      found == value_->end() ? "no such key" : show_json(*found)),
          location_, ""};
}

}  // namespace amk::model
