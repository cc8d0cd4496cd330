// HTTP/1.1 for any number of clients on one thread: connections, their bounds and their times.
//
// Knows nothing of MCP. It holds a client to what it may take (connections, streams, bytes, seconds) and hands whole
// requests to an HttpHandler. A client that is slow, silent or gone costs its connection and nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "mcp/http/exchange.h"

namespace amk::mcp {

struct HttpLimits {
  size_t connections_max = 1024;  ///< fewer where the process may open fewer files
  size_t streams_max = 256;       ///< streams of events that are open at a time
  size_t head_bytes_max = 32U << 10U;
  size_t body_bytes_max = 16U << 20U;
  size_t large_body_bytes = 64U << 10U;  ///< beyond it a body is a large one
  size_t large_bodies_max = 8;           ///< that are read at a time
  /// Bytes that wait for a client that does not read. Whatever is written while fewer wait is taken whole.
  size_t queued_bytes_max = 1U << 20U;
  std::chrono::milliseconds idle_time{300'000};       ///< between requests
  std::chrono::milliseconds head_time{10'000};        ///< of a head, from its first byte
  std::chrono::milliseconds body_time{30'000};        ///< of a body, from the end of the head
  std::chrono::milliseconds write_time{30'000};       ///< in which a client takes some of what is written
  std::chrono::milliseconds keep_alive_time{15'000};  ///< of silence, after which a stream says that it is there
  std::chrono::milliseconds stop_time{2'000};         ///< in which what is in flight may end
};

class HttpServer {
 public:
  /// Listens there, and takes the signals that end run(); port 0 is any. `address` is one of IPv4 or IPv6. kIo where
  /// the system refuses.
  static Result<std::unique_ptr<HttpServer>> listen(const std::string& address, uint16_t port, HttpLimits limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] uint16_t port() const;

  /// Serves until SIGTERM, SIGINT or SIGHUP, and then until what is in flight has ended or `stop_time` is over.
  void run(HttpHandler& handler);
  /// From any thread: does `what` on the thread of run(), now where this is that thread. After run() it is dropped.
  void post(std::function<void()> what);
  /// The same, but never now: after all that was posted before.
  void post_later(std::function<void()> what);

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace amk::mcp
