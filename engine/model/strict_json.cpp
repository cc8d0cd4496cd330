#include "model/strict_json.h"

#include <fmt/format.h>

#include <exception>
#include <utility>
#include <vector>

#include "model/utf8.h"

namespace amk::model {
namespace {

using nlohmann::json;

constexpr size_t kDepthMax = 64;

/// Builds the value as nlohmann's reader announces its parts. Each callback returns whether to go on.
class DomBuilder : public nlohmann::json_sax<json> {
 public:
  bool null() override { return put(json(nullptr)); }
  bool boolean(bool value) override { return put(json(value)); }
  bool number_integer(number_integer_t value) override { return put(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return put(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return put(json(value)); }
  bool string(string_t& value) override { return put(json(std::move(value))); }
  bool binary(binary_t&) override { return refuse("expected JSON, found a binary value"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [place, is_new] = open_.back()->get_ref<json::object_t&>().emplace(std::move(name), nullptr);
    if (!is_new) {
      return refuse(fmt::format("expected every key once in its object, found '{}' twice", shown_text(place->first)));
    }
    member_ = &place->second;
    return true;
  }

  bool parse_error(size_t offset, const std::string&, const nlohmann::detail::exception& error) override {
    // nlohmann's text names its own error number first; what follows the bracket is for people.
    const std::string_view what = error.what();
    const size_t bracket = what.find("] ");
    return refuse(fmt::format("expected JSON, found a syntax error at byte {}: {}", offset,
                              what.substr(bracket == std::string_view::npos ? 0 : bracket + 2)));
  }

  json root;
  std::string problem;  ///< set when a callback has returned false

 private:
  bool refuse(std::string message) {
    problem = std::move(message);
    return false;
  }

  /// Where the next value goes.
  json& slot() {
    if (open_.empty()) return root;
    if (open_.back()->is_array()) return open_.back()->get_ref<json::array_t&>().emplace_back();
    return *member_;
  }

  bool put(json value) {
    slot() = std::move(value);
    return true;
  }

  bool open(json container) {
    if (open_.size() == kDepthMax) return refuse(fmt::format("expected at most {} levels of nesting", kDepthMax));
    json& place = slot();
    place = std::move(container);
    open_.push_back(&place);  // stays in place: its parent takes no other value until this one is closed
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;  ///< the containers around the next value, outermost first
  json* member_ = nullptr;   ///< the member of the innermost object whose key was read last
};

}  // namespace

Result<json> parse_strict_json(std::string_view text, const std::string& location) {
  try {
    DomBuilder builder;
    if (!json::sax_parse(text, &builder)) return Error{ErrorCode::kBadInput, builder.problem, location, ""};
    return std::move(builder.root);
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kBadInput, fmt::format("expected JSON, found {}", exception.what()), location, ""};
  }
}

std::string_view json_kind(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "an array";
    case json::value_t::string:
      return "a string";
    case json::value_t::boolean:
      return "a boolean";
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      return "a number";
    case json::value_t::binary:
    case json::value_t::discarded:
      return "no JSON value";
  }
  return "no JSON value";
}

}  // namespace amk::model
