// What MCP asks of a request's headers. Pure: a request in, what is wrong with it out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mcp/core/message.h"
#include "mcp/http/http_message.h"

namespace amk::mcp {

/// Whether "Accept" takes that type ("text/event-stream"), by its name or by "*".
[[nodiscard]] bool accepts(const HttpRequest& request, std::string_view type);

/// Whether the body is said to be JSON.
[[nodiscard]] bool says_json(const HttpRequest& request);

/// The first header, of those that decide something, that is there more than once; empty: none.
[[nodiscard]] std::string repeated_header(const HttpRequest& request);

/// How the headers of a request of 2026-07-28 differ from its body (-32020), or nothing.
///
/// MCP-Protocol-Version and Mcp-Method are always there; Mcp-Name is where the body names a tool, a prompt or a
/// resource. A value may be wrapped as =?base64?...?=.
[[nodiscard]] std::optional<RpcError> header_mismatch(const HttpRequest& request, const Message& message);

/// Why a response of rpc_response() refuses, for the log: without what was found, which may be a header's value.
[[nodiscard]] std::string reason_of_refusal(const HttpResponse& response);

/// A JSON-RPC error as the body of a response.
[[nodiscard]] HttpResponse rpc_response(int status, const RpcError& error, const Json& id = nullptr);
[[nodiscard]] HttpResponse rpc_response(int status, RpcCode code, std::string problem);

}  // namespace amk::mcp
