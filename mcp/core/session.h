// One client's conversation: each message in, its replies out. A stdio process has one of these; so has an HTTP
// session.
//
// Owns what a legacy client agreed on, the calls in flight and the client's subscriptions. It never touches a stream: a
// transport gives it the text of a message and the way its replies go. What is quick is answered before receive()
// returns; tools/call runs on another thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "mcp/core/call.h"
#include "mcp/core/call_threads.h"
#include "mcp/core/era.h"
#include "mcp/core/server.h"
#include "mcp/core/subscriptions.h"

namespace amk::mcp {

class Session {
 public:
  /// `server` and `threads` outlive it.
  Session(const Server& server, CallThreads& threads) : server_(server), threads_(threads), subscriptions_(server) {}
  /// No call is in flight any more: see shut_down().
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Where messages go that belong to no request: those about a legacy client's subscriptions. Null, as at first:
  /// nowhere, and they are lost. Any thread; when it returns, the former one is not in use any more.
  void set_push(Send push) { subscriptions_.set_push(std::move(push)); }

  /// The text of one message, whatever it is. One thread at a time.
  void receive(std::string_view text, const Send& send);
  /// The same, of a message that the transport has looked at.
  void receive(const Message& message, const Send& send);
  /// For a message that is longer than the transport takes.
  static void refuse_oversized(size_t bytes_max, const Send& send);

  /// Whether no call is in flight by then. A request that listens is no call: it ends by a cancel, or with the session.
  bool wait_until_idle(std::chrono::milliseconds patience) const { return calls_.wait_until_empty(patience); }
  /// Ends every call and subscription without a reply: the client has gone. Calls may run on for a moment.
  void cancel_all();
  /// Asks every call to end, and does not wait; they may still reply. Ends every subscription.
  void begin_shut_down();
  /// Asks every call to end, and waits until they have; ends every subscription.
  void shut_down();

 private:
  struct Request;
  struct Method;
  static const Method* method_of(std::string_view name);

  void handle(const Message& message, const Send& send);
  void handle_notification(const Message& message);
  [[nodiscard]] std::optional<RpcError> era_problem(const Message& message, Era era) const;
  /// -32603 where a method throws.
  Answer answer(const Request& request);
  Answer answer_of(const Request& request);
  /// As the era has it.
  [[nodiscard]] Answer finished(Era era, Answer answer) const;

  // Each answers one method; one that answers nothing sends its reply itself.
  Answer initialize(const Request& request);
  Answer ping(const Request& request);
  Answer discover(const Request& request);
  Answer list_tools(const Request& request);
  Answer list_resources(const Request& request);
  Answer list_templates(const Request& request);
  Answer list_prompts(const Request& request);
  Answer read_resource(const Request& request);
  Answer subscribe(const Request& request);
  Answer unsubscribe(const Request& request);
  Answer get_prompt(const Request& request);
  Answer complete(const Request& request);
  Answer set_level(const Request& request);

  [[nodiscard]] Json capabilities(Era era) const;
  [[nodiscard]] Answer list(const Request& request, const char* what, Json items) const;
  void call_tool(const Request& request, const Send& send);
  void start(const Tool& tool, Json arguments, Era era, const std::shared_ptr<Call>& call);
  [[nodiscard]] Answer called(const Tool& tool, const Json& arguments, Era era, Call& call) const;
  /// Who asks, and what of an earlier round came with it; or what is wrong with that.
  std::variant<Caller, RpcError> caller_of(const Request& request);
  [[nodiscard]] Answer ask_for_prompt(const Request& request, const Prompt& prompt, const Json& arguments);
  void listen(const Request& request, const Send& send);
  [[nodiscard]] std::optional<LogLevel> log_level(const Request& request) const;

  const Server& server_;
  CallThreads& threads_;
  CallTable calls_;
  Subscriptions subscriptions_;
  std::string version_;                      ///< agreed on with a legacy client; empty: none yet
  Json capabilities_ = Json::object();       ///< that a legacy client has declared
  LogLevel legacy_level_ = LogLevel::kInfo;  ///< what a legacy client is told from
  Asked asked_;                              ///< of a legacy client
};

}  // namespace amk::mcp
