// What a call asks of its client: something of its user (elicitation/create), of its model (sampling/createMessage), or
// its roots (roots/list).
//
// Up to 2025-11-25 the server sends a request of its own, and the call waits for the response. Since 2026-07-28 the
// call ends with a result "input_required", and the client calls again with the answers. Both need a client that has
// declared that it can.
//
// Requests are an object, by names that the tool gives them: {"who": {"method": "roots/list", "params": {}}}.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "mcp/core/message.h"

namespace amk::mcp {

/// The capabilities that `requests` need and `declared` lacks, as MCP has them: {"sampling": {}}. Empty: none.
[[nodiscard]] Json missing_capabilities(const Json& requests, const Json& declared);

/// The answers to `requests` among a modern client's `responses`, by name; what else is there is ignored. nullopt where
/// one is missing or no object.
[[nodiscard]] std::optional<Json> answers_to(const Json& requests, const Json& responses);

/// The requests to one legacy client that it has not answered. Thread-safe.
class Asked {
 public:
  /// The id of a new one.
  [[nodiscard]] std::string open();
  /// What the client says to it; a response to none of them is ignored.
  void answer(const Message& response);
  /// The result, null where the client refused; nullopt where none has come by then.
  std::optional<Json> wait(const std::string& id, std::chrono::milliseconds patience);
  void close(const std::string& id);

 private:
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::string, std::optional<Json>> open_;
  uint64_t last_ = 0;
};

/// What is known of whoever made a call, and what came with it.
struct Caller {
  Json capabilities = Json::object();  ///< that the client has declared
  Json responses;                      ///< of a modern client, to what an earlier round asked; null: none
  std::string state;                   ///< that the earlier round kept; empty: none
  Asked* asked = nullptr;              ///< of a legacy client; outlives the call
};

}  // namespace amk::mcp
