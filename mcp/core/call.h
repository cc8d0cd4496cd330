// A tools/call in flight: it ends once, and after its end nothing more is said of it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mcp/core/asking.h"
#include "mcp/core/message.h"
#include "mcp/core/tool.h"

namespace amk::mcp {

/// Where the messages about one request go. Called from any thread, one call at a time for one request.
using Send = std::function<void(const Json& message)>;

class Call final : public CallContext {
 public:
  /// `progress_token`: a string or an integer; null where the client wants no progress. `log_from`: the mildest
  /// messages that it wants; nullopt where it wants none.
  Call(Json id, Json progress_token, Send send, std::optional<LogLevel> log_from = std::nullopt, Caller caller = {});

  [[nodiscard]] const Json& id() const { return id_; }

  /// Ends the call: calls `ending`, then sends the reply. Neither where it has ended.
  void finish(const Json& reply, const std::function<void()>& ending);
  /// Ends the call without a reply.
  void cancel();
  /// Sends a message about it; nothing where it has ended.
  void tell(const Json& message);
  /// Asks it to end; it may still reply.
  void shut_down();

  [[nodiscard]] Stop stop() const override;
  void pause(std::chrono::milliseconds time) override;
  void progress(const std::string& what) override;
  void progress_of(double done, double total) override;
  void log(LogLevel level, const std::string& text) override;
  [[nodiscard]] const Json& client_capabilities() const override { return caller_.capabilities; }
  std::optional<Json> ask(const Json& requests) override;
  [[nodiscard]] const std::string& kept_state() const override { return caller_.state; }

 private:
  std::optional<Json> ask_now(const Json& request);

  const Json id_;
  const Json progress_token_;
  const std::optional<LogLevel> log_from_;
  const Caller caller_;
  const Send send_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool ended_ = false;
  Stop stop_ = Stop::kNo;
  double told_ = 0;      ///< the last progress, seconds since the start
  double counted_ = -1;  ///< the last step
};

/// The calls of one client: which ids are in flight, and how many calls still run. Thread-safe.
///
/// An id is free again before its reply is sent, since a client may use it as soon as it has that; the call still runs
/// until it is done with the reply.
class CallTable {
 public:
  /// False where the id is in flight already, or there are too many.
  bool add(const std::shared_ptr<Call>& call);
  /// For what has an id that can be cancelled, but does not run: nobody waits for it.
  bool add_idle(const std::shared_ptr<Call>& call);
  /// The call's id is no longer in flight.
  void release(const Call& call);
  /// The call runs no more. It has been released.
  void done(const Call& call);
  /// In flight, or null.
  [[nodiscard]] std::shared_ptr<Call> find(const Json& id) const;
  /// Those that run.
  [[nodiscard]] std::vector<std::shared_ptr<Call>> all() const;
  /// Whether none runs by then.
  bool wait_until_empty(std::chrono::milliseconds patience) const;

  static constexpr size_t kCallsMax = 1024;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable gone_;
  std::map<std::string, std::shared_ptr<Call>> in_flight_;  ///< by the id as JSON: 1 and "1" are two
  std::map<const Call*, std::shared_ptr<Call>> running_;
};

}  // namespace amk::mcp
