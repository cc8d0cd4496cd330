// Base64 (RFC 4648, section 4): bytes in a JSON string.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace amk {

/// With padding, in one line.
[[nodiscard]] std::string base64_encode(std::span<const std::byte> bytes);

/// kBadInput for anything that base64_encode() does not write: another character, a wrong length, padding that is not
/// at the end, bits set beyond the last byte.
Result<std::vector<std::byte>> base64_decode(std::string_view text);

}  // namespace amk
