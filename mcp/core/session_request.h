// What the files of Session share: a request whose era is known.
#pragma once

#include <string>
#include <utility>

#include "mcp/core/session.h"

namespace amk::mcp {

struct Session::Request {
  const Message& message;
  Era era;

  [[nodiscard]] bool modern() const { return era == Era::kModern; }
  [[nodiscard]] const Json& param(const char* key) const { return member(message.params, key); }
};

inline RpcError error_of(RpcCode code, std::string message, Json data = nullptr) {
  return {code, std::move(message), std::move(data)};
}

}  // namespace amk::mcp
