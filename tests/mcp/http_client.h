// A server over HTTP as a child process, and clients of it down to the bytes: what is malformed can be sent, too.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mcp/client.h"

namespace amk::test {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// Started with --http --port 0; killed at the end. Throws where it says no port.
class HttpServerProcess {
 public:
  explicit HttpServerProcess(std::vector<std::string> command);
  ~HttpServerProcess();
  HttpServerProcess(const HttpServerProcess&) = delete;
  HttpServerProcess& operator=(const HttpServerProcess&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::string& announcement() const { return announcement_; }
  void signal(int number) const;
  /// Its exit code, or -1 by a signal; throws where it does not end by then.
  int wait(std::chrono::milliseconds patience = kPatience);
  [[nodiscard]] size_t open_files() const;
  [[nodiscard]] size_t resident_kib() const;
  [[nodiscard]] double cpu_seconds() const;  ///< of all its threads, in user and kernel

 private:
  int pid_ = -1;
  int errors_ = -1;
  int port_ = 0;
  std::string announcement_;
};

struct HttpReply {
  int status = 0;                              ///< 0: the connection ended before a head
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  [[nodiscard]] Json json() const { return Json::parse(body); }
  [[nodiscard]] int code() const { return json().at("error").at("code").get<int>(); }
  [[nodiscard]] std::string header(const std::string& name) const;
};

struct ServerEvent {
  std::string id;
  std::string data;  ///< empty: it only has an id

  [[nodiscard]] Json json() const { return Json::parse(data); }
};

/// One connection. Reads throw after 20 s of nothing.
class HttpConnection {
 public:
  explicit HttpConnection(int port);
  HttpConnection(HttpConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  HttpConnection& operator=(HttpConnection&&) = delete;
  ~HttpConnection() { close(); }

  /// What the server no longer takes is dropped.
  void send(const std::string& bytes) const;
  void close();
  /// The head and, unless it is a stream, the body.
  HttpReply read_reply();
  /// Of a stream, after its head; comments are skipped. Nothing by then, or at the end.
  std::optional<ServerEvent> next_event(std::chrono::milliseconds patience = kPatience);
  /// The stream's next message: events without data are skipped. Throws where there is none.
  Json next_message();
  [[nodiscard]] bool stream_ended() const { return ended_; }
  [[nodiscard]] int comments() const { return comments_; }  ///< that were skipped
  /// The reply to a request, whether it comes as JSON or in a stream; what is before it there is dropped.
  Json read_result();
  /// Whether the server ends the connection by then; what it sends before is dropped.
  bool ends_within(std::chrono::milliseconds patience);

  HttpReply ask(const std::string& bytes) {
    send(bytes);
    return read_reply();
  }

 private:
  bool read_more(std::chrono::milliseconds patience);
  bool read_chunk(std::chrono::milliseconds patience);

  int fd_ = -1;
  std::string pending_;  ///< bytes of HTTP
  std::string events_;   ///< bytes of the stream
  bool ended_ = false;
  int comments_ = 0;
};

/// A request's bytes, with Host, Content-Length and what MCP asks for; `more` replaces headers of that name, and an
/// empty value leaves them out.
std::string http_request(const std::string& method, const std::string& body, const Headers& more = {},
                         const std::string& path = "/mcp");
std::string post(const Json& message, const Headers& more = {});
/// With the headers of a modern request.
std::string modern_post(const Json& message, const Headers& more = {});

/// A new connection for each.
HttpReply ask_once(int port, const std::string& bytes);
/// The id of a new session.
std::string begin_session(int port, const std::string& version = "2025-11-25");

/// tests/mcp/fixture_server.cpp over HTTP.
std::vector<std::string> http_fixture_server(const std::vector<std::string>& more = {});

}  // namespace amk::test
