// A request and a response as the endpoint sees them, without the library that parses them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace amk::mcp {

struct HttpHeader {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;  ///< "POST"
  std::string target;  ///< "/mcp?x=y"
  std::vector<HttpHeader> headers;
  std::string body;

  /// The value of the first header of that name, whatever its case; null where there is none.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  [[nodiscard]] size_t count(std::string_view name) const;
  /// The target without its query.
  [[nodiscard]] std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
};

struct HttpResponse {
  int status = 200;
  std::string content_type;  ///< empty: there is no body
  std::string body;
  std::vector<HttpHeader> headers;  ///< beyond those of the body
};

[[nodiscard]] bool same_ignoring_case(std::string_view a, std::string_view b);

/// "Bad Request" of 400; only for the statuses that this server uses.
[[nodiscard]] const char* reason_of(int status);

/// The response as bytes of HTTP/1.1.
[[nodiscard]] std::string response_bytes(const HttpResponse& response, bool keep_alive);

/// The head of a response whose body is a stream of events, chunked or up to the end of the connection.
[[nodiscard]] std::string event_stream_head(const std::vector<HttpHeader>& headers, bool chunked);

}  // namespace amk::mcp
