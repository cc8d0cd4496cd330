#include "mcp/http/serve_http.h"

#include <fmt/format.h>

#include <utility>

#include "mcp/http/access.h"

namespace amk::mcp {
namespace {

Result<Access> access_of(const HttpOptions& options) {
  Access out;
  out.address = address_of_host(options.host);
  out.allowed_origins = options.allowed_origins;
  for (std::string& origin : out.allowed_origins) {
    if (origin.ends_with('/')) origin.pop_back();
    if (is_origin(origin)) continue;
    return Error{
        ErrorCode::kUsage,
        fmt::format("expected the origin of a page, such as https://amk.example.com or http://host:8080, found "
                    "'{}'",
                    origin),
        "--allowed-origin", "it has a scheme, and neither a path nor a user"};
  }
  if (!options.token_file.empty()) {
    AMK_ASSIGN_OR_RETURN(out.token, read_token(options.token_file));
  } else if (!is_loopback_address(out.address)) {
    return Error{ErrorCode::kUsage,
                 fmt::format("expected an address of loopback, or --token-file as well, found '{}'", options.host),
                 "--host", "whoever reaches this server can start programs on this machine"};
  }
  return out;
}

std::string url_of(const std::string& address, uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}/mcp", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

}  // namespace

Status serve_http(const Server& server, const HttpOptions& options, LogFile& log,
                  const std::function<void(const std::string& url)>& listening) {
  AMK_ASSIGN_OR_RETURN(Access access, access_of(options));
  AMK_ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> http,
                       HttpServer::listen(access.address, options.port, options.http));
  const std::string url = url_of(access.address, http->port());
  CallThreads threads;
  Endpoint endpoint(server, threads, *http, log, std::move(access), options.endpoint);
  listening(url);
  http->run(endpoint);
  return {};
}

}  // namespace amk::mcp
