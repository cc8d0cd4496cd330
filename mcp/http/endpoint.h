// MCP at /mcp: both eras on one path.
//
// Owns what HTTP adds to the core: who may come in, sessions and resumable streams of the legacy era, headers and
// cancel-by-leaving of the modern one, and the status of each answer. Lives on the server's thread; calls run on
// others and send their messages back to it.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "mcp/core/session.h"
#include "mcp/http/access.h"
#include "mcp/http/http_server.h"
#include "mcp/http/legacy_sessions.h"
#include "mcp/stdio/log_file.h"

namespace amk::mcp {

struct EndpointLimits {
  size_t requests_max = 1024;  ///< without a reply yet, of all clients
  size_t sessions_max = 128;   ///< of the legacy era
  size_t listeners_max = 128;  ///< requests subscriptions/listen of the modern era, of all clients
  std::chrono::milliseconds session_idle_time{30 * 60'000};
  std::chrono::milliseconds moment{400};  ///< a call that takes longer gets a stream
};

class Endpoint : public HttpHandler {
 public:
  /// All of them outlive it. `http` is where messages of calls come back to the server's thread.
  Endpoint(const Server& server, CallThreads& threads, HttpServer& http, LogFile& log, Access access,
           EndpointLimits limits);

  std::optional<HttpResponse> refusal(const HttpRequest& head) override;
  void handle(HttpRequest request, ExchangePtr exchange) override;
  [[nodiscard]] HttpResponse wording(int status, const std::string& problem) const override;
  void tick() override;
  void begin_stop() override;

 private:
  /// A request of the modern era is a conversation of its own.
  struct Modern {
    Modern(const Server& server, CallThreads& threads) : core(server, threads) {}
    std::shared_ptr<ReplyStream> stream;
    bool listens = false;
    Session core;
  };

  [[nodiscard]] std::optional<HttpResponse> refusal_of_stranger(const HttpRequest& head) const;
  [[nodiscard]] std::optional<HttpResponse> refusal_of_kind(const HttpRequest& head) const;
  void handle_post(const HttpRequest& request, const ExchangePtr& exchange);
  void handle_get(const HttpRequest& request, const ExchangePtr& exchange);
  void handle_delete(const HttpRequest& request, const ExchangePtr& exchange);
  void handle_modern(const HttpRequest& request, const Message& message, const ExchangePtr& exchange);
  void start_modern(const Message& message, const ExchangePtr& exchange);
  void handle_legacy(const HttpRequest& request, const Message& message, const ExchangePtr& exchange);
  void begin_session(const Message& message, const ExchangePtr& exchange);
  void notify(LegacySession& session, const Message& message);
  /// The session that the request names; null, with the answer given, where there is none.
  std::shared_ptr<LegacySession> session_of(const HttpRequest& request, const ExchangePtr& exchange);
  [[nodiscard]] Send send_to(const std::shared_ptr<ReplyStream>& stream);
  /// After the core has taken the request: what is not answered yet becomes a stream, now or in a moment.
  void await_reply(const Message& message, const std::shared_ptr<ReplyStream>& stream);
  void finish_the_silent();
  /// Both answer where they are true.
  [[nodiscard]] bool too_busy(const ExchangePtr& exchange) const;
  [[nodiscard]] bool too_many_listen(const Message& message, const ExchangePtr& exchange) const;
  /// The answer, and a line of the log about it.
  void refuse(const ExchangePtr& exchange, const HttpResponse& response) const;

  const Server& server_;
  CallThreads& threads_;
  HttpServer& http_;
  LogFile& log_;
  const Access access_;
  const EndpointLimits limits_;
  size_t in_flight_ = 0;
  bool stopping_ = false;
  LegacySessions sessions_;
  std::list<std::shared_ptr<Modern>> modern_;  ///< with calls that run
  std::vector<std::shared_ptr<ReplyStream>> waiting_;
};

}  // namespace amk::mcp
