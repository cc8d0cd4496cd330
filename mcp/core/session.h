// One client's conversation: each message in, its replies out. A stdio process has one of these; so has an HTTP
// session.
//
// Owns what a legacy client agreed on, and the calls in flight. It never touches a stream: a transport gives it the
// text of a message and the way its replies go. What is quick is answered before receive() returns; tools/call runs on
// another thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "mcp/core/call.h"
#include "mcp/core/call_threads.h"
#include "mcp/core/era.h"
#include "mcp/core/server.h"

namespace amk::mcp {

class Session {
 public:
  /// `server` and `threads` outlive it.
  Session(const Server& server, CallThreads& threads) : server_(server), threads_(threads) {}
  /// No call is in flight any more: see shut_down().
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The text of one message, whatever it is. One thread at a time.
  void receive(std::string_view text, const Send& send);
  /// The same, of a message that the transport has looked at.
  void receive(const Message& message, const Send& send);
  /// For a message that is longer than the transport takes.
  static void refuse_oversized(size_t bytes_max, const Send& send);

  /// Whether no call is in flight by then.
  bool wait_until_idle(std::chrono::milliseconds patience) const { return calls_.wait_until_empty(patience); }
  /// Ends every call without a reply: the client has gone. They may run on for a moment.
  void cancel_all();
  /// Asks every call to end, and does not wait; they may still reply.
  void begin_shut_down();
  /// Asks every call to end, and waits until they have.
  void shut_down();

 private:
  struct Request;
  void handle(const Message& message, const Send& send);
  void handle_notification(const Message& message);
  [[nodiscard]] std::optional<RpcError> era_problem(const Message& message, Era era) const;
  Answer answer(const Request& request);
  Answer initialize(const Request& request);
  [[nodiscard]] Json discover() const;
  [[nodiscard]] Answer list(const Request& request, const char* what, Json items) const;
  void call_tool(const Request& request, const Send& send);
  void start(const Tool& tool, Json arguments, Era era, const std::shared_ptr<Call>& call);
  /// As the era has it.
  [[nodiscard]] Answer finished(Era era, Answer answer) const;

  const Server& server_;
  CallThreads& threads_;
  CallTable calls_;
  std::string version_;  ///< agreed on with a legacy client; empty: none yet
};

}  // namespace amk::mcp
