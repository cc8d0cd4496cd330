// JSON-RPC 2.0 as MCP has it: what a message is, and what replies look like.
//
// Pure: text in, message out. It knows no methods and keeps no state.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "mcp/core/json.h"

namespace amk::mcp {

/// The codes of JSON-RPC, and those that the MCP specification assigns.
enum class RpcCode : int {
  kParse = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,
  kInternal = -32603,
  kResourceNotFound = -32002,    ///< before 2026-07-28
  kHeaderMismatch = -32020,      ///< since 2026-07-28, over HTTP
  kMissingCapability = -32021,   ///< since 2026-07-28: the client has not declared what the request needs
  kUnsupportedVersion = -32022,  ///< since 2026-07-28
};

struct RpcError {
  RpcCode code = RpcCode::kInternal;
  std::string message;
  Json data;  ///< null: none
};

/// What a request comes to.
using Answer = std::variant<Json, RpcError>;

/// One message of the client's.
struct Message {
  enum class Kind {
    kRequest,
    kNotification,
    kResponse,  ///< to a request of the server's
    kBad,       ///< `error` says why, `id` is its own where that could be read
  };
  Kind kind = Kind::kBad;
  Json id;             ///< a string or an integer; null for notifications; of a response, whatever it has
  std::string method;  ///< of requests and notifications
  Json params = Json::object();
  Json result;  ///< of a response; null where it is an error
  RpcError error;
};

/// Whatever the text.
[[nodiscard]] Message parse_message(std::string_view text);

/// Whether `id` may be that of a request: a string, or an integer that 64 bits hold.
[[nodiscard]] bool is_request_id(const Json& id);

[[nodiscard]] Json reply(const Json& id, Answer answer);
[[nodiscard]] Json error_reply(const Json& id, const RpcError& error);
[[nodiscard]] Json notification(const char* method, Json params);

}  // namespace amk::mcp
