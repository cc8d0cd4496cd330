// What the files of Session share: a request whose era is known.
#pragma once

#include <exception>
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

/// Of what should not have thrown. The transport's log has it, as it has every reply.
inline RpcError ended_unexpectedly(const std::string& method, const std::exception& problem) {
  return error_of(RpcCode::kInternal, method + " ended unexpectedly: " + problem.what());
}

}  // namespace amk::mcp
