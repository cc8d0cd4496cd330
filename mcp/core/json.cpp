#include "mcp/core/json.h"

#include <fmt/format.h>

namespace amk::mcp {
namespace {

/// How deep arrays and objects nest, whether or not the text is JSON.
size_t depth_of(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

constexpr int kRawDepth = 2;  ///< a message's result, and what is in that

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

bool holds_raw(const Json& json, int depth) {
  if (json.is_binary()) return true;
  if (!json.is_object() || depth == 0) return false;
  for (const auto& [key, value] : json.items()) {
    if (holds_raw(value, depth - 1)) return true;
  }
  return false;
}

std::string with_raw(const Json& json, int depth) {
  if (json.is_binary()) return {json.get_binary().begin(), json.get_binary().end()};
  if (!json.is_object() || depth == 0) return dumped(json);
  std::string out = "{";
  for (const auto& [key, value] : json.items()) {
    if (out.size() > 1) out += ',';
    out += dumped(key) + ':' + with_raw(value, depth - 1);
  }
  return out + '}';
}

}  // namespace

std::string to_line(const Json& json) {
  if (holds_raw(json, kRawDepth)) return with_raw(json, kRawDepth);
  return dumped(json);
}

Json raw_json(const std::string& text) { return Json::binary({text.begin(), text.end()}); }

Result<Json> parse_json(std::string_view text) {
  if (const size_t depth = depth_of(text); depth > kJsonDepthMax) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("expected at most {} arrays and objects within one another, found {}", kJsonDepthMax, depth), "",
        ""};
  }
  try {
    return Json::parse(text);
  } catch (const Json::exception& problem) {
    // Its words quote the text, which may be no UTF-8; they go out through to_line().
    return Error{ErrorCode::kBadInput, fmt::format("expected JSON in UTF-8, found {}", problem.what()), "", ""};
  }
}

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

}  // namespace amk::mcp
