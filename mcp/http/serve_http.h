// MCP over HTTP: what --http starts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "mcp/core/server.h"
#include "mcp/http/endpoint.h"
#include "mcp/http/http_server.h"
#include "mcp/stdio/log_file.h"

namespace amk::mcp {

struct HttpOptions {
  std::string host = "127.0.0.1";  ///< an address, or "localhost"
  uint16_t port = 8330;            ///< 0: any that is free
  std::string token_file;          ///< empty: no token, which only loopback may do
  std::vector<std::string> allowed_origins;
  HttpLimits http;
  EndpointLimits endpoint;
};

/// Listens, calls `listening` with its URL, and serves until SIGTERM or SIGINT. kUsage for an address that is not of
/// loopback, without a token; kIo and kBadInput where it cannot listen or the token cannot be used.
Status serve_http(const Server& server, const HttpOptions& options, LogFile& log,
                  const std::function<void(const std::string& url)>& listening);

}  // namespace amk::mcp
