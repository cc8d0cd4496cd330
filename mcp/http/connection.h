// One client's connection: requests in, one after another, and their answers out.
//
// Only for http_server.cpp and connection.cpp: it brings in Boost.Asio and Beast, which take seconds to compile.
// Everything happens on the server's thread.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "mcp/http/http_server.h"

namespace amk::mcp {

class Connection;

/// What all connections share. It outlives them.
struct ConnectionHost {
  HttpLimits limits;
  HttpHandler* handler = nullptr;
  bool stopping = false;
  size_t streams = 0;       ///< that are open
  size_t large_bodies = 0;  ///< that are being read
  std::unordered_map<const Connection*, std::shared_ptr<Connection>> connections;
  std::array<char, 64U << 10U> scratch{};  ///< what was just read; a silent connection holds no buffer
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  /// `socket` is non-blocking.
  Connection(ConnectionHost& host, boost::asio::ip::tcp::socket socket) : host_(host), socket_(std::move(socket)) {}

  /// Reads requests until the client or the host has enough.
  void start();
  /// At once; the exchange in progress is gone.
  void close();
  /// Closes what is past its time, and lets silent streams say that they are there.
  void sweep(Clock::time_point now);
  /// Since when no whole head has come, where none has: what may make room for others.
  [[nodiscard]] std::optional<Clock::time_point> waiting_since() const;
  /// Nothing is in progress, and nothing waits to be written.
  [[nodiscard]] bool quiet() const;

 private:
  enum class State {
    kIdle,       ///< between requests
    kHead,       ///< some of a head has come
    kBody,       ///< some of a body may have come
    kAnswering,  ///< the handler has the request
    kStreaming,  ///< the answer is a stream
    kLingering,  ///< the answer is written or being written; what still comes is dropped, then it is over
  };
  class Answer;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void enter(State state, std::chrono::milliseconds time);
  void wait_readable();
  void on_readable();
  void on_bytes(std::string_view bytes);
  [[nodiscard]] bool wants_bytes() const;
  /// Parses what has come, as far as requests are wanted.
  void advance();
  /// False where the request goes no further.
  bool on_head();
  bool admit_body();
  void on_request();
  void on_parse_error(const boost::system::error_code& problem);
  /// Answers without reading on.
  void refuse(const HttpResponse& response);
  void refuse_with(int status, const std::string& problem);

  // For the exchange.
  void respond(const HttpResponse& response);
  bool open_stream(const std::vector<HttpHeader>& headers);
  void write_events(std::string_view events);
  void end_stream();
  void end_answer();

  void queue(std::string bytes);
  void pump();
  void on_written(size_t bytes);
  void on_drained();
  void release_body();

  ConnectionHost& host_;
  boost::asio::ip::tcp::socket socket_;
  State state_ = State::kIdle;
  Clock::time_point since_ = Clock::now();                 ///< of the state
  Clock::time_point deadline_ = Clock::time_point::max();  ///< of the state
  Clock::time_point write_deadline_ = Clock::time_point::max();
  Clock::time_point last_write_ = Clock::now();
  std::optional<Parser> parser_;
  std::string pending_;  ///< read, and not yet parsed
  HttpRequest request_;
  std::shared_ptr<Answer> answer_;  ///< of the request in progress
  std::deque<std::string> out_;
  size_t out_offset_ = 0;  ///< of out_.front(), what has been written
  size_t out_bytes_ = 0;   ///< of out_, what has not
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
  bool keep_alive_ = false;
  bool chunked_ = true;  ///< the client knows chunks
  bool large_body_ = false;
};

}  // namespace amk::mcp
