// JSON as this server reads and writes it: keys keep their order, so that a definition reads the same every time.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::mcp {

using Json = nlohmann::ordered_json;

/// Nesting beyond which a message is refused: what copies and writes JSON recurses.
inline constexpr size_t kJsonDepthMax = 100;
/// Members of one object beyond which a message is refused: each is compared with those before it when it is read.
inline constexpr size_t kJsonMembersMax = 4096;
/// Such comparisons, of the whole text, beyond which it is refused: many objects of many members.
inline constexpr size_t kJsonComparisonsMax = 1U << 25U;

/// One line without its end: no line breaks, valid UTF-8 (what is not becomes U+FFFD), null for NaN and infinity.
[[nodiscard]] std::string to_line(const Json& json);

/// Text that to_line() wrote before, as a value that it copies instead of writing it again. It may be the message's
/// result, or a member of that. Only to_line() reads it: to anything else it is a value of binary type.
[[nodiscard]] Json raw_json(const std::string& text);

/// A value for an error message: to_line(), or its type and size where that is long.
[[nodiscard]] std::string shown(const Json& json);
/// The same; "none" of null.
[[nodiscard]] std::string shown_or_none(const Json& json);
/// A name for an error message, cut where it is long.
[[nodiscard]] std::string shown_name(const std::string& name);

/// kBadInput where `text` is no JSON or holds invalid UTF-8; kUnsupported beyond the bounds above.
Result<Json> parse_json(std::string_view text);

/// The member `key` of an object, or a null that outlives everyone.
[[nodiscard]] const Json& member(const Json& object, const char* key);

}  // namespace amk::mcp
