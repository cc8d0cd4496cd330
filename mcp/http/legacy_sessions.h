// The HTTP sessions of clients up to 2025-11-25: what "initialize" began, and the streams of each.
//
// Lives on the server's thread. Sessions are bounded in number and in idle time; one that ends has its calls ended,
// and is gone when they are.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mcp/core/session.h"
#include "mcp/http/reply_stream.h"

namespace amk::mcp {

class LegacySession {
 public:
  using Clock = std::chrono::steady_clock;

  /// `version` is what "initialize" asks for; `in_flight` counts the requests that have no reply yet.
  LegacySession(const Server& server, CallThreads& threads, const std::string& version, size_t& in_flight);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] Session& core() { return core_; }

  /// The stream of a request.
  std::shared_ptr<ReplyStream> begin(const Json& request_id, const ExchangePtr& exchange);
  /// Of a request without a reply yet, or null.
  [[nodiscard]] std::shared_ptr<ReplyStream> unfinished(const Json& request_id) const;
  /// Goes on with the stream of that event, or listens where there is none. Where that cannot be, the answer that the
  /// exchange is to get.
  std::optional<HttpResponse> listen(const ExchangePtr& exchange, const std::optional<std::string>& last_event_id);
  /// The stream for what belongs to no request.
  [[nodiscard]] const std::shared_ptr<ReplyStream>& listening() const { return listening_; }

  /// Ends every call and every stream.
  void end();
  /// Asks calls to end, and ends who listens.
  void begin_stop();
  /// Lets go of streams that nobody will ask for.
  void forget_streams(Clock::time_point now);
  [[nodiscard]] bool busy() const;

  Clock::time_point last_used = Clock::now();

 private:
  struct Begun {
    std::string request_id;  ///< as JSON: 1 and "1" are two
    std::shared_ptr<ReplyStream> stream;
  };

  const std::string id_;
  const bool primed_;
  size_t& in_flight_;
  std::map<uint64_t, Begun> streams_;  ///< by number
  uint64_t next_stream_ = 1;
  std::shared_ptr<ReplyStream> listening_;
  Session core_;  ///< last, since its calls are ended before the streams go
};

class LegacySessions {
 public:
  using Clock = LegacySession::Clock;

  LegacySessions(size_t sessions_max, std::chrono::milliseconds idle_time)
      : sessions_max_(sessions_max), idle_time_(idle_time) {}

  /// False where there are too many, and all of them are busy.
  bool add(const std::shared_ptr<LegacySession>& session);
  /// Null where there is none, or no longer. It counts as used.
  std::shared_ptr<LegacySession> find(const std::string& id);
  void end(const std::string& id);
  /// Ends what was not used for too long, and forgets what has ended.
  void tick();
  void begin_stop();

 private:
  bool make_room();

  const size_t sessions_max_;
  const std::chrono::milliseconds idle_time_;
  std::map<std::string, std::shared_ptr<LegacySession>> sessions_;
  std::vector<std::shared_ptr<LegacySession>> ending_;
};

}  // namespace amk::mcp
