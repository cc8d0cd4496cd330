// A session in this process, with whatever server the test makes: messages in, and what it says in lines.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mcp/client.h"
#include "mcp/core/session.h"

namespace amk::test {

class Conversation {
 public:
  explicit Conversation(const mcp::Server& server) : threads_(8), session_(server, threads_) {
    session_.set_push(send_to(pushed_));
  }

  mcp::Session& session() { return session_; }

  void send(const Json& message) { session_.receive(message.dump(), send_to(said_)); }
  /// The reply to the request; throws where none comes.
  Json ask(const Json& request) {
    const auto before = static_cast<std::ptrdiff_t>(said().size());  // ids come again
    send(request);
    const auto is_reply = [&](const Json& message) { return message.contains("id") && message["id"] == request["id"]; };
    std::optional<Json> reply = wait_for(said_, is_reply, before);
    if (!reply) throw std::runtime_error("expected a reply, found none");
    return *reply;
  }
  void initialize() { ask(request("init", "initialize", {{"protocolVersion", "2025-11-25"}})); }

  /// What was said on requests' own streams, and by the server of its own.
  std::vector<Json> said() { return copy(said_); }
  std::vector<Json> pushed() { return copy(pushed_); }
  /// The first message of that method, once it has been said.
  std::optional<Json> said_of(const std::string& method) { return wait_for(said_, of_method(method)); }
  std::optional<Json> pushed_of(const std::string& method) { return wait_for(pushed_, of_method(method)); }

 private:
  using Messages = std::vector<Json>;

  static std::function<bool(const Json&)> of_method(const std::string& method) {
    return [method](const Json& message) { return message.value("method", "") == method; };
  }
  mcp::Send send_to(Messages& where) {
    return [this, &where](const mcp::Json& message) {
      const std::lock_guard lock(mutex_);
      where.push_back(Json::parse(mcp::to_line(message)));
      more_.notify_all();
    };
  }
  Messages copy(const Messages& messages) {
    const std::lock_guard lock(mutex_);
    return messages;
  }
  std::optional<Json> wait_for(const Messages& messages, const std::function<bool(const Json&)>& wanted,
                               std::ptrdiff_t from = 0) {
    std::unique_lock lock(mutex_);
    const auto find = [&] { return std::find_if(messages.begin() + from, messages.end(), wanted); };
    more_.wait_for(lock, std::chrono::seconds(10), [&] { return find() != messages.end(); });
    return find() == messages.end() ? std::nullopt : std::optional<Json>(*find());
  }

  std::mutex mutex_;
  std::condition_variable more_;
  Messages said_;
  Messages pushed_;
  mcp::CallThreads threads_;
  mcp::Session session_;
};

}  // namespace amk::test
