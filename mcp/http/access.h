// Who may talk to the server: from which pages, by which name of it, with which token.
//
// A browser reaches a server on loopback from any page. The Origin says which page it was; the Host says by which name
// the page found us, which is how a name that an attacker points at 127.0.0.1 gives itself away.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mcp/http/http_message.h"

namespace amk::mcp {

/// An address of this machine alone: 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback_address(std::string_view address);

/// "127.0.0.1" of "localhost"; an address is itself.
[[nodiscard]] std::string address_of_host(const std::string& host);

/// The token in that file, without what is blank around it. kIo where it cannot be read; kBadInput where others than
/// its owner may read it, or where it is no token of at least 16 characters.
Result<std::string> read_token(const std::string& path);

/// Whether the two are the same, in a time that says nothing of where they differ.
[[nodiscard]] bool same_secret(std::string_view given, std::string_view secret);

/// 128 random bits in hexadecimal digits.
[[nodiscard]] std::string random_id();

/// "http://host", "https://host:port", as browsers send it: no path, no user, no blanks.
[[nodiscard]] bool is_origin(std::string_view text);

struct Access {
  std::string address = "127.0.0.1";         ///< that is listened on
  std::string token;                         ///< empty: none is asked for
  std::vector<std::string> allowed_origins;  ///< beyond those of loopback: "https://amk.example.com"

  [[nodiscard]] bool knows_origin(std::string_view origin) const;
  [[nodiscard]] bool knows_host(std::string_view host) const;
  /// Of a request's "Authorization: Bearer TOKEN".
  [[nodiscard]] bool knows_token(const HttpRequest& request) const;
};

}  // namespace amk::mcp
