#include "model/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace amk::model {
namespace {

constexpr size_t kParserMessageMax = 200;

/// Thrown out of the parser's callback: the only way to stop it.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Watches the parse: nlohmann keeps the last of two equal keys and nests without bound; neither is acceptable.
class ParseWatch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        check_depth(depth);
        keys_.emplace_back();
        break;
      case Json::parse_event_t::array_start:
        check_depth(depth);
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(parsed.get_ref<const std::string&>()).second) {
          throw Refused(fmt::format("expected every key once, found '{}' twice",
                                    printable(parsed.get_ref<const std::string&>())));
        }
        break;
      case Json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::array_end:
      case Json::parse_event_t::value:
        break;
    }
    return true;
  }

 private:
  static void check_depth(int depth) {
    if (depth >= kJsonDepthMax) {
      throw Refused(fmt::format("expected at most {} levels of nesting, found more", kJsonDepthMax));
    }
  }

  std::vector<std::set<std::string>> keys_;  // one set an open object
};

/// nlohmann's text without its "[json.exception.parse_error.101] " tag; it may quote the input.
std::string parser_message(const std::exception& exception) {
  const std::string_view text = exception.what();
  const size_t tag = text.starts_with('[') ? text.find("] ") : std::string_view::npos;
  return printable(tag == std::string_view::npos ? text : text.substr(tag + 2), kParserMessageMax);
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& location) {
  try {
    ParseWatch watch;
    return Json::parse(text.begin(), text.end(), std::ref(watch));
  } catch (const Refused& refused) {
    return Error{ErrorCode::kBadInput, refused.what(), location, ""};
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

Result<bool> JsonObject::boolean(std::string_view key) {
  if (has(key) && at(key).is_boolean()) return at(key).get<bool>();
  return refusal(ErrorCode::kBadInput, key, "true or false");
}

Result<std::string> JsonObject::string(std::string_view key) {
  if (has(key) && at(key).is_string()) return at(key).get<std::string>();
  return refusal(ErrorCode::kBadInput, key, "a string");
}

std::vector<std::string> JsonObject::unread() const {
  std::vector<std::string> out;
  for (const auto& item : value_->items()) {
    if (!read_.contains(item.key())) out.push_back(item.key());
  }
  return out;
}

Error JsonObject::refusal(ErrorCode code, std::string_view key, std::string_view expected) const {
  const auto found = value_->find(key);
  return {code,
          fmt::format("{}{}: expected {}, found {}", prefix_, printable(key), expected,
                      found == value_->end() ? "no such key" : show_json(*found)),
          location_, ""};
}

}  // namespace amk::model
