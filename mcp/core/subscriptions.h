// One client's subscriptions to resources: those of 2025-11-25, which are told by the server's own messages, and the
// requests subscriptions/listen of 2026-07-28, each of which is told on its own stream until it is cancelled.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mcp/core/call.h"
#include "mcp/core/server.h"

namespace amk::mcp {

/// Thread-safe.
class Subscriptions {
 public:
  /// `server` outlives it.
  explicit Subscriptions(const Server& server) : server_(server) {}
  ~Subscriptions() { end_all(); }
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;

  /// Where the server's own messages go; null: nowhere, and they are lost. When it returns, the former one is not in
  /// use any more.
  void set_push(Send push);

  /// kUsage for a URI of none, kUnsupported where there are too many.
  Status subscribe(const std::string& uri);
  void unsubscribe(const std::string& uri);

  /// Acknowledges the request with what of `filter` is honoured, and tells of changes from then on. kUnsupported where
  /// there are too many: of this client's, or of all clients'.
  Status listen(const std::shared_ptr<Call>& call, const Json& filter);
  /// Of a request that has been cancelled. Nothing where it is none of them.
  void end(const Call& call);
  /// All of them: what listens gets its reply.
  void end_all();
  /// All of them, without replies.
  void cancel_all();

  static constexpr size_t kUrisMax = 64;       ///< of a client, or of one request
  static constexpr size_t kListenersMax = 16;  ///< requests of a client

 private:
  struct Listener {
    std::shared_ptr<Call> call;
    std::vector<uint64_t> watches;
  };
  void push(const Json& message);
  void forget(const std::vector<uint64_t>& watches);

  const Server& server_;
  std::mutex mutex_;
  std::map<std::string, uint64_t> by_uri_;  ///< the watch; 0: it never changes
  std::map<const Call*, Listener> listeners_;
  std::mutex push_mutex_;  ///< held while a message is pushed, which takes no other lock of ours
  Send push_;
};

}  // namespace amk::mcp
