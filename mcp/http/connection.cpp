#include "mcp/http/connection.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <utility>

namespace amk::mcp {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

/// Of requests that are sent before the last one is answered.
constexpr size_t kPipelinedBytesMax = 64U << 10U;
constexpr std::chrono::milliseconds kLingerTime{2'000};

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

HttpRequest head_of(const http::request<http::string_body>& message) {
  HttpRequest out;
  out.method = text_of(message.method_string());
  out.target = text_of(message.target());
  for (const auto& field : message) out.headers.push_back({text_of(field.name_string()), text_of(field.value())});
  return out;
}

}  // namespace

/// The way back of one request: it ends before the connection's next one begins.
class Connection::Answer : public Exchange {
 public:
  explicit Answer(Connection& connection) : connection_(&connection) {}

  void respond(HttpResponse response) override {
    if (connection_ != nullptr) connection_->respond(response);
  }
  bool open_stream(const std::vector<HttpHeader>& headers) override {
    return connection_ == nullptr || connection_->open_stream(headers);
  }
  void write(std::string_view events) override {
    if (connection_ != nullptr) connection_->write_events(events);
  }
  void end_stream() override {
    if (connection_ != nullptr) connection_->end_stream();
  }

  void detach() {
    connection_ = nullptr;
    on_gone(nullptr);
  }
  void lose() {
    connection_ = nullptr;
    gone();
  }

 private:
  Connection* connection_;  ///< null: answered, or gone
};

void Connection::start() {
  enter(State::kIdle, host_.limits.idle_time);
  wait_readable();
}

void Connection::enter(State state, std::chrono::milliseconds time) {
  state_ = state;
  since_ = Clock::now();
  deadline_ = time == std::chrono::milliseconds::max() ? Clock::time_point::max() : since_ + time;
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  const std::shared_ptr<Connection> self = shared_from_this();  // the host may hold the last one
  error_code ignored;
  socket_.close(ignored);
  release_body();
  if (state_ == State::kStreaming) --host_.streams;
  host_.connections.erase(this);
  if (const auto answer = std::exchange(answer_, nullptr)) answer->lose();
}

void Connection::sweep(Clock::time_point now) {
  if (now > deadline_ || now > write_deadline_) return close();
  if (state_ == State::kStreaming && out_.empty() && now - last_write_ > host_.limits.keep_alive_time) {
    write_events(": keep-alive\n\n");
  }
}

std::optional<Connection::Clock::time_point> Connection::waiting_since() const {
  if ((state_ == State::kIdle || state_ == State::kHead) && out_.empty()) return since_;
  return std::nullopt;
}

bool Connection::quiet() const {
  return out_.empty() && (state_ == State::kIdle || state_ == State::kHead || state_ == State::kLingering);
}

void Connection::wait_readable() {
  if (closed_ || std::exchange(reading_, true)) return;
  socket_.async_wait(asio::ip::tcp::socket::wait_read, [self = shared_from_this()](const error_code& problem) {
    self->reading_ = false;
    if (self->closed_) return;
    if (problem) return self->close();
    self->on_readable();
  });
}

void Connection::on_readable() {
  error_code problem;
  const size_t got = socket_.read_some(asio::buffer(host_.scratch), problem);
  if (problem == asio::error::would_block || problem == asio::error::interrupted) return wait_readable();
  if (problem) return close();  // a client that ends its half is taken to be gone
  on_bytes({host_.scratch.data(), got});
}

void Connection::on_bytes(std::string_view bytes) {
  if (state_ == State::kLingering) return wait_readable();
  pending_.append(bytes);
  advance();
}

/// Whether what comes now is to be parsed. An answer is written before the next request is looked at: else a client
/// that only ever sends would have its answers pile up.
bool Connection::wants_bytes() const {
  return !closed_ && ((state_ == State::kIdle && out_.empty()) || state_ == State::kHead || state_ == State::kBody);
}

void Connection::advance() {
  while (wants_bytes() && !pending_.empty()) {
    if (!parser_) {
      parser_.emplace();
      parser_->header_limit(static_cast<uint32_t>(host_.limits.head_bytes_max));
      parser_->body_limit(host_.limits.body_bytes_max);
      enter(State::kHead, host_.limits.head_time);
    }
    error_code problem;
    const size_t used = parser_->put(asio::buffer(pending_), problem);
    pending_.erase(0, used);
    const bool more = problem == http::error::need_more;
    if (problem && !more) return on_parse_error(problem);
    if (state_ == State::kHead && parser_->is_header_done() && !on_head()) return;
    if (state_ == State::kBody && !admit_body()) return;
    if (parser_->is_done()) {
      on_request();
      continue;
    }
    if (more && state_ == State::kBody && pending_.size() > kPipelinedBytesMax) {
      return refuse_with(400, "expected chunks, found what goes on without an end");
    }
    if (more) break;
  }
  // One that sends on while it waits is no longer watched: it is found to be gone when it is written to.
  if (wants_bytes() || pending_.size() < kPipelinedBytesMax) wait_readable();
}

bool Connection::on_head() {
  request_ = head_of(parser_->get());
  keep_alive_ = parser_->keep_alive();
  chunked_ = parser_->get().version() >= 11;
  std::optional<HttpResponse> refused = host_.handler->refusal(request_);
  if (host_.stopping) refused = host_.handler->wording(503, "the server is ending");
  if (refused && parser_->is_done()) {  // nothing of this request is left to read: the next one may come
    parser_.reset();
    enter(State::kAnswering, std::chrono::milliseconds::max());
    if (request_.method == "HEAD") refused->body.clear();
    respond(*refused);
    wait_readable();
    return false;
  }
  if (refused) {
    refuse(*refused);
    return false;
  }
  parser_->eager(true);
  enter(State::kBody, host_.limits.body_time);
  const std::string* expect = request_.header("Expect");
  if (expect != nullptr && same_ignoring_case(*expect, "100-continue") && !parser_->is_done()) {
    queue("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return true;
}

/// Memory that clients can make us hold is bounded by how many large bodies are read at a time.
bool Connection::admit_body() {
  if (large_body_) return true;
  const auto length = parser_->content_length();
  const size_t bytes = std::max<size_t>(length ? *length : 0, parser_->get().body().size());
  if (bytes <= host_.limits.large_body_bytes) return true;
  if (host_.large_bodies >= host_.limits.large_bodies_max) {
    HttpResponse busy = host_.handler->wording(503, "expected fewer large requests at a time: try again");
    busy.headers.push_back({"Retry-After", "1"});
    refuse(busy);
    return false;
  }
  large_body_ = true;
  ++host_.large_bodies;
  return true;
}

void Connection::release_body() {
  if (std::exchange(large_body_, false)) --host_.large_bodies;
}

void Connection::on_request() {
  HttpRequest request = std::move(request_);
  request.body = std::move(parser_->get().body());
  parser_.reset();
  release_body();
  enter(State::kAnswering, std::chrono::milliseconds::max());
  answer_ = std::make_shared<Answer>(*this);
  host_.handler->handle(std::move(request), answer_);
}

void Connection::on_parse_error(const error_code& problem) {
  if (problem == http::error::body_limit) {
    return refuse_with(
        413, fmt::format("expected a body of at most {} bytes, found a longer one", host_.limits.body_bytes_max));
  }
  if (problem == http::error::header_limit) {
    return refuse_with(431,
                       fmt::format("expected headers of at most {} bytes, found more", host_.limits.head_bytes_max));
  }
  refuse_with(400, "expected a request of HTTP/1.1, found: " + problem.message());
}

void Connection::refuse_with(int status, const std::string& problem) {
  refuse(host_.handler->wording(status, problem));
}

void Connection::refuse(const HttpResponse& response) {
  parser_.reset();
  release_body();
  pending_ = std::string();
  enter(State::kLingering, kLingerTime);
  queue(response_bytes(response, false));
  wait_readable();
}

void Connection::respond(const HttpResponse& response) {
  if (state_ != State::kAnswering) return;
  keep_alive_ = keep_alive_ && !host_.stopping;
  queue(response_bytes(response, keep_alive_));
  end_answer();
}

bool Connection::open_stream(const std::vector<HttpHeader>& headers) {
  if (state_ != State::kAnswering) return true;
  if (host_.streams >= host_.limits.streams_max) return false;
  ++host_.streams;
  enter(State::kStreaming, std::chrono::milliseconds::max());
  keep_alive_ = keep_alive_ && chunked_;
  queue(event_stream_head(headers, chunked_));
  return true;
}

void Connection::write_events(std::string_view events) {
  if (closed_ || state_ != State::kStreaming || events.empty()) return;
  if (out_bytes_ > host_.limits.queued_bytes_max) return close();  // it does not read
  queue(chunked_ ? fmt::format("{:x}\r\n{}\r\n", events.size(), events) : std::string(events));
}

void Connection::end_stream() {
  if (state_ != State::kStreaming) return;
  --host_.streams;
  state_ = State::kAnswering;
  if (chunked_) queue("0\r\n\r\n");
  end_answer();
}

/// Whatever is left to write, the handler has no more to say.
void Connection::end_answer() {
  if (const auto answer = std::exchange(answer_, nullptr)) answer->detach();
  if (keep_alive_) {
    enter(State::kIdle, host_.limits.idle_time);
  } else {
    enter(State::kLingering, host_.limits.write_time);
  }
  if (out_.empty()) on_drained();
}

void Connection::queue(std::string bytes) {
  out_bytes_ += bytes.size();
  out_.push_back(std::move(bytes));
  pump();
}

void Connection::pump() {
  if (closed_ || writing_ || out_.empty()) return;
  writing_ = true;
  write_deadline_ = Clock::now() + host_.limits.write_time;
  const std::string& front = out_.front();
  socket_.async_write_some(asio::buffer(front.data() + out_offset_, front.size() - out_offset_),
                           [self = shared_from_this()](const error_code& problem, size_t bytes) {
                             self->writing_ = false;
                             if (self->closed_) return;
                             if (problem) return self->close();
                             self->on_written(bytes);
                           });
}

void Connection::on_written(size_t bytes) {
  last_write_ = Clock::now();
  write_deadline_ = Clock::time_point::max();
  out_bytes_ -= bytes;
  out_offset_ += bytes;
  if (out_offset_ == out_.front().size()) {
    out_.pop_front();
    out_offset_ = 0;
  }
  if (!out_.empty()) return pump();
  on_drained();
}

/// Everything is written: the next request, or the end.
void Connection::on_drained() {
  if (state_ == State::kLingering) {
    // Closing at once would reset a connection on which bytes still arrive, and take the answer with it.
    error_code problem;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, problem);
    if (problem) return close();
    enter(State::kLingering, kLingerTime);
    return wait_readable();
  }
  if (state_ == State::kIdle) advance();
}

}  // namespace amk::mcp
