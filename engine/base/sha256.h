// SHA-256 (FIPS 180-4), by libcrypto.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace amk {

/// Lower-case hex digest, 64 characters.
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> data);
[[nodiscard]] std::string sha256_hex(std::string_view text);

}  // namespace amk
