// The seam between HTTP and MCP: a request's way back to its client, and who answers requests.
//
// All of this happens on the server's one thread; HttpServer::post() is how other threads get there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/http/http_message.h"

namespace amk::mcp {

/// One request's answer: a response, or a stream of events. What is written after the client has gone, or after the
/// end, goes nowhere.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual void respond(HttpResponse response) = 0;
  /// False: there are too many streams, and nothing was written; respond() is still possible.
  virtual bool open_stream(const std::vector<HttpHeader>& headers) = 0;
  /// Events for an open stream. A client that does not read them is dropped.
  virtual void write(std::string_view events) = 0;
  virtual void end_stream() = 0;

  /// What to do when the client goes before the end of its answer; done once at most.
  void on_gone(std::function<void()> what) { on_gone_ = std::move(what); }

 protected:
  void gone() {
    if (const auto what = std::exchange(on_gone_, nullptr)) what();
  }

 private:
  std::function<void()> on_gone_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Looks at a request before its body is read. A response here is the answer, and the body is not wanted.
  virtual std::optional<HttpResponse> refusal(const HttpRequest& head) = 0;
  /// The request is whole. It is answered by the exchange, now or later.
  virtual void handle(HttpRequest request, ExchangePtr exchange) = 0;
  /// What the server's own refusals (a body that is too long, no HTTP, too busy) look like.
  [[nodiscard]] virtual HttpResponse wording(int status, const std::string& problem) const = 0;
  /// Every tenth of a second.
  virtual void tick() = 0;
  /// The server is to end: what is in flight is to be answered soon. tick() goes on.
  virtual void begin_stop() = 0;
};

}  // namespace amk::mcp
