// What a stateless server has its client keep between two rounds of a call, and how it knows its own again: the text
// with an HMAC-SHA256 of it. It is signed, not secret.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::mcp {

class StateSeal {
 public:
  /// With a random key: what another server has sealed, this one before its restart included, is refused.
  StateSeal();

  /// For one purpose, such as "tools/call NAME": it opens for no other.
  [[nodiscard]] std::string seal(std::string_view purpose, std::string_view state) const;
  /// kBadInput for what this server has not sealed for that purpose.
  Result<std::string> open(std::string_view purpose, std::string_view sealed) const;

 private:
  [[nodiscard]] std::string tag(std::string_view purpose, std::string_view text) const;

  std::string key_;  ///< as long as a block of SHA-256
};

}  // namespace amk::mcp
