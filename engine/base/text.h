// Small text helpers shared by messages: nearest names, byte and number words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amk {

/// The candidate with the smallest edit distance to `name`, or empty when none is within half of `name`'s length.
[[nodiscard]] std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates);

/// ", did you mean 'x'" or "" : the tail of an unknown-name message.
[[nodiscard]] std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

/// "a, b, c".
[[nodiscard]] std::string join(std::span<const std::string_view> parts, std::string_view separator = ", ");

/// "1.5 MB" (decimal units, three significant digits).
[[nodiscard]] std::string human_bytes(uint64_t bytes);

}  // namespace amk
