#include "mcp/core/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace amk::mcp {
namespace {

constexpr size_t kShownBytesMax = 120;

/// What reading a text takes, whether or not it is JSON.
struct Extent {
  size_t depth = 0;        ///< of arrays and objects within one another
  size_t members = 0;      ///< of the largest object
  size_t comparisons = 0;  ///< of each member's name with those before it
};

Extent extent_of(std::string_view text) {
  Extent out;
  std::vector<size_t> members;  // of what is open; arrays have none
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      members.push_back(0);
      out.depth = std::max(out.depth, members.size());
    } else if ((c == ']' || c == '}') && !members.empty()) {
      members.pop_back();
    } else if (c == ':' && !members.empty()) {
      out.comparisons += members.back()++;
      out.members = std::max(out.members, members.back());
    }
  }
  return out;
}

/// Why it is not read; empty: it may be.
std::string excess_of(const Extent& extent) {
  if (extent.depth > kJsonDepthMax) {
    return fmt::format("expected at most {} arrays and objects within one another, found {}", kJsonDepthMax,
                       extent.depth);
  }
  if (extent.members > kJsonMembersMax)
    return fmt::format("expected at most {} members in an object, found {}", kJsonMembersMax, extent.members);
  if (extent.comparisons > kJsonComparisonsMax)
    return "expected fewer members in its objects, found more than can be read in a moment";
  return "";
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

std::string shown(const Json& json) {
  std::string text = to_line(json);
  if (text.size() <= kShownBytesMax) return text;
  return fmt::format("{} of {} bytes", json.type_name(), text.size());
}

std::string shown_or_none(const Json& json) { return json.is_null() ? "none" : shown(json); }

std::string shown_name(const std::string& name) {
  if (name.size() <= kShownBytesMax) return name;
  return fmt::format("{}... of {} bytes", name.substr(0, kShownBytesMax / 2), name.size());
}

Result<Json> parse_json(std::string_view text) {
  if (std::string excess = excess_of(extent_of(text)); !excess.empty())
    return Error{ErrorCode::kUnsupported, std::move(excess), "", ""};
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
