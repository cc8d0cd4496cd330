#include "mcp/http/reply_stream.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "mcp/core/message.h"

namespace amk::mcp {
namespace {

/// Proxies that buffer would hold back what is to be seen at once.
std::vector<HttpHeader> stream_headers() { return {{"X-Accel-Buffering", "no"}}; }

bool parse_number(std::string_view text, uint64_t& out) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  return problem == std::errc() && end == text.data() + text.size();
}

}  // namespace

Outgoing outgoing(const Json& message) {
  const Json& code = member(member(message, "error"), "code");
  return {to_line(message), !message.contains("method"), code.is_number_integer() ? code.get<int>() : 0};
}

std::optional<EventId> parse_event_id(std::string_view text) {
  EventId out;
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos || !parse_number(text.substr(0, dash), out.stream) ||
      !parse_number(text.substr(dash + 1), out.event)) {
    return std::nullopt;
  }
  return out;
}

ReplyStream::ReplyStream(Style style, ExchangePtr exchange) : style_(style), exchange_(std::move(exchange)) {
  if (style_.in_flight != nullptr) ++*style_.in_flight;
}

std::string ReplyStream::event_text(const Event& event) const {
  if (!style_.resumable) return fmt::format("event: message\ndata: {}\n\n", event.data);
  return fmt::format("event: message\nid: {}-{}\ndata: {}\n\n", style_.number, event.number, event.data);
}

std::string ReplyStream::priming_text(uint64_t last) const {
  // Something is always said, so that whoever waits knows that it is heard.
  if (!style_.primed) return ": open\n\n";
  return fmt::format("id: {}-{}\nretry: 1000\ndata: \n\n", style_.number, last);
}

int ReplyStream::status_of(int error_code) const {
  if (!style_.modern) return 200;
  switch (static_cast<RpcCode>(error_code)) {
    case RpcCode::kMethodNotFound:
      return 404;
    case RpcCode::kMissingCapability:
      return 400;
    default:
      return 200;
  }
}

void ReplyStream::deliver(const Outgoing& message) {
  if (finished_) return;
  if (!message.is_reply || !kept_.empty()) open();
  if (message.is_reply && !opened_) {
    if (exchange_) exchange_->respond({status_of(message.error_code), "application/json", message.text, {}});
    return finish();
  }
  kept_.push_back({next_event_++, message.text});
  kept_bytes_ += message.text.size();
  write_from(unwritten_);
  trim();
  if (message.is_reply) finish();
}

void ReplyStream::open() {
  if (opened_ || finished_ || !exchange_ || !exchange_->open_stream(stream_headers())) return;
  opened_ = true;
  exchange_->write(priming_text(unwritten_ - 1));
  write_from(unwritten_);
}

void ReplyStream::write_from(uint64_t number) {
  if (!opened_ || !exchange_) return;
  std::string text;
  for (const Event& event : kept_) {
    if (event.number >= number) text += event_text(event);
  }
  unwritten_ = next_event_;
  const ExchangePtr exchange = exchange_;  // a client that does not read is dropped by this, and detached
  exchange->write(text);
}

bool ReplyStream::resume(const ExchangePtr& exchange, std::optional<uint64_t> after) {
  if (!exchange->open_stream(stream_headers())) return false;
  if (const ExchangePtr old = std::exchange(exchange_, exchange)) {
    old->on_gone(nullptr);
    old->end_stream();
  }
  opened_ = true;
  const uint64_t last = after ? *after : unwritten_ - 1;
  exchange->write(priming_text(last));
  write_from(last + 1);
  if (!finished_) return true;
  exchange_ = nullptr;
  exchange->end_stream();
  return true;
}

bool ReplyStream::keeps_after(uint64_t event) const {
  const uint64_t oldest = kept_.empty() ? next_event_ : kept_.front().number;
  return event < next_event_ && event + 1 >= oldest;
}

void ReplyStream::finish_without_reply(const HttpResponse& unopened) {
  if (finished_) return;
  if (exchange_ && !opened_) exchange_->respond(unopened);
  finish();
}

void ReplyStream::finish() {
  finished_ = true;
  changed_at_ = Clock::now();
  if (style_.in_flight != nullptr) --*style_.in_flight;
  if (const ExchangePtr exchange = std::exchange(exchange_, nullptr); exchange && opened_) exchange->end_stream();
}

void ReplyStream::trim() {
  if (!style_.resumable && unwritten_ == next_event_) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  while (kept_.size() > 1 && kept_bytes_ > kKeptBytesMax) {
    kept_bytes_ -= kept_.front().data.size();
    kept_.pop_front();
  }
}

}  // namespace amk::mcp
