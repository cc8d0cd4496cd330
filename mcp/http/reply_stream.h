// What one POST, or one listening GET, is answered with: a JSON body, or events that a client may ask for again.
//
// Lives on the server's thread. It holds what a client has not seen yet and, where it is resumable, some of what it
// has; never more than kKeptBytesMax beyond the newest event.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/core/json.h"
#include "mcp/http/exchange.h"

namespace amk::mcp {

/// A message on its way to a client.
struct Outgoing {
  std::string text;
  bool is_reply = false;  ///< the last one about its request
  int error_code = 0;     ///< of a reply that is an error
};
[[nodiscard]] Outgoing outgoing(const Json& message);

struct EventId {
  uint64_t stream = 0;
  uint64_t event = 0;
};
/// Of "3-17"; nothing where that is none of ours.
[[nodiscard]] std::optional<EventId> parse_event_id(std::string_view text);

class ReplyStream {
 public:
  using Clock = std::chrono::steady_clock;
  struct Style {
    uint64_t number = 0;          ///< in its session
    bool resumable = false;       ///< events have ids, and are kept
    bool primed = false;          ///< the first event has an id and no message, as since 2025-11-25
    bool modern = false;          ///< some errors have a status of their own
    size_t* in_flight = nullptr;  ///< counts the streams that have not finished
  };
  static constexpr size_t kKeptBytesMax = 256U << 10U;

  /// `exchange` may be null: nobody listens yet.
  ReplyStream(Style style, ExchangePtr exchange);
  ReplyStream(const ReplyStream&) = delete;
  ReplyStream& operator=(const ReplyStream&) = delete;

  /// A reply is a JSON body unless the stream is open, and finishes it. Anything else opens the stream.
  void deliver(const Outgoing& message);
  /// Becomes a stream of events, where it is not one yet and there may be one more.
  void open();
  /// Goes on to another client's connection, after that event; without one, after what has been written already.
  /// False: there are too many streams, and nothing has changed.
  bool resume(const ExchangePtr& exchange, std::optional<uint64_t> after);
  /// Whether there has been such an event, and whatever came after it is still kept.
  [[nodiscard]] bool keeps_after(uint64_t event) const;
  /// The client has gone. What comes is kept where it can be asked for.
  void detach() { exchange_ = nullptr; }
  /// No reply will come. `unopened` is the answer where no stream is open.
  void finish_without_reply(const HttpResponse& unopened);

  [[nodiscard]] bool finished() const { return finished_; }
  [[nodiscard]] bool opened() const { return opened_; }
  [[nodiscard]] bool attached() const { return exchange_ != nullptr; }
  [[nodiscard]] Clock::time_point changed_at() const { return changed_at_; }  ///< made, or finished
  [[nodiscard]] size_t kept_bytes() const { return kept_bytes_; }

 private:
  /// Of an answer that is no stream.
  [[nodiscard]] int status_of(int error_code) const;
  struct Event {
    uint64_t number;
    std::string data;
  };
  [[nodiscard]] std::string event_text(const Event& event) const;
  [[nodiscard]] std::string priming_text(uint64_t last) const;
  void write_from(uint64_t number);
  void finish();
  void trim();

  const Style style_;
  ExchangePtr exchange_;
  std::deque<Event> kept_;
  size_t kept_bytes_ = 0;
  uint64_t next_event_ = 1;
  uint64_t unwritten_ = 1;  ///< the first event that no connection was given
  bool opened_ = false;
  bool finished_ = false;
  Clock::time_point changed_at_ = Clock::now();
};

}  // namespace amk::mcp
