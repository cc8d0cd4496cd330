// JSON of outside origin, read strictly: bounded depth, no key twice in one object, errors that say where.
//
// nlohmann's own reader keeps the last of two equal keys and nests without bound; a checkpoint's files must not be half
// accepted. The names in what it returns are bytes of valid UTF-8, checked by the reader.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::model {

/// The JSON value that is all of `text`; kBadInput, with `location`, for anything else: a syntax error, a key that is
/// in one object twice, nesting deeper than 64.
Result<nlohmann::json> parse_strict_json(std::string_view text, const std::string& location);

/// "an object", "a string", ...: what `value` is, for messages.
[[nodiscard]] std::string_view json_kind(const nlohmann::json& value);

}  // namespace amk::model
