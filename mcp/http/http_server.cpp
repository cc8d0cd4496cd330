#include "mcp/http/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "mcp/http/connection.h"

namespace amk::mcp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kTick{100};
constexpr size_t kTicksPerSweep = 5;
/// Of the files that the process may open, those that are not connections: runs, pipes of children, the log.
constexpr size_t kOtherFiles = 256;

Error refused(const std::string& what, const std::string& where, int number) {
  return {ErrorCode::kIo, fmt::format("cannot {}: {}", what, std::strerror(number)), where,
          number == EADDRINUSE ? "--port takes another one, and 0 for any that is free" : ""};
}

size_t connections_bound(size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const size_t all = static_cast<size_t>(files.rlim_cur);
  return std::min(wanted, all > 2 * kOtherFiles ? all - kOtherFiles : all / 2);
}

}  // namespace

/// Children that are started must not hold our sockets: a run outlives the server, and its port must not. So sockets
/// are made here, closed on exec from the start, which Asio's own are not.
struct HttpServer::State {
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::signal_set signals{io};
  asio::steady_timer timer{io};
  ConnectionHost host;
  tcp::endpoint bound;
  int spare = -1;  ///< given up for a moment to turn a client away when there are no files left
  size_t ticks = 0;
  Connection::Clock::time_point stop_at = Connection::Clock::time_point::max();

  ~State() {
    if (spare >= 0) ::close(spare);
  }

  Status listen(const tcp::endpoint& endpoint);
  void wait_for_clients();
  void accept_all();
  void turn_away();
  void welcome(int fd);
  bool make_room();
  void wait_for_tick();
  void tick();
  void begin_stop();
  void close_all();
  [[nodiscard]] bool all_quiet() const;
};

Status HttpServer::State::listen(const tcp::endpoint& endpoint) {
  const std::string where =
      fmt::format("{}:{}", endpoint.address().to_string(), static_cast<unsigned>(endpoint.port()));
  const int fd = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return refused("make a socket", where, errno);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 || ::listen(fd, kBacklog) != 0) {
    const int number = errno;
    ::close(fd);
    return refused("listen", where, number);
  }
  error_code problem;
  acceptor.assign(endpoint.protocol(), fd, problem);
  if (!problem) bound = acceptor.local_endpoint(problem);
  if (problem) return Error{ErrorCode::kIo, "cannot listen: " + problem.message(), where, ""};
  spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return {};
}

void HttpServer::State::wait_for_clients() {
  acceptor.async_wait(tcp::acceptor::wait_read, [this](const error_code& problem) {
    if (problem || host.stopping) return;
    accept_all();
    wait_for_clients();
  });
}

void HttpServer::State::accept_all() {
  for (int i = 0; i < kBacklog; ++i) {
    const int fd = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      welcome(fd);
    } else if (errno == EMFILE || errno == ENFILE) {
      turn_away();
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

/// Without this, a client that cannot be accepted would wake us for ever.
void HttpServer::State::turn_away() {
  make_room();
  if (spare >= 0) ::close(spare);
  const int fd = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
  if (fd >= 0) ::close(fd);
  spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void HttpServer::State::welcome(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A client whose machine has gone is noticed by what it does not acknowledge.
  const unsigned patience = static_cast<unsigned>(host.limits.write_time.count());
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
  tcp::socket socket(io);
  error_code problem;
  socket.assign(bound.protocol(), fd, problem);
  if (problem) {
    ::close(fd);
    return;
  }
  socket.non_blocking(true, problem);
  if (problem || (host.connections.size() >= host.limits.connections_max && !make_room())) return;
  const auto connection = std::make_shared<Connection>(host, std::move(socket));
  host.connections.emplace(connection.get(), connection);
  connection->start();
}

/// Closes the client that has been silent for longest, or slowest with its head. False where there is none.
bool HttpServer::State::make_room() {
  std::shared_ptr<Connection> oldest;
  auto since = Connection::Clock::time_point::max();
  for (const auto& [key, connection] : host.connections) {
    const auto waiting = connection->waiting_since();
    if (!waiting || *waiting >= since) continue;
    since = *waiting;
    oldest = connection;
  }
  if (oldest == nullptr) return false;
  oldest->close();
  return true;
}

void HttpServer::State::wait_for_tick() {
  timer.expires_after(kTick);
  timer.async_wait([this](const error_code& problem) {
    if (problem) return;
    tick();
    if (!io.stopped()) wait_for_tick();
  });
}

void HttpServer::State::tick() {
  host.handler->tick();
  const auto now = Connection::Clock::now();
  if (++ticks % kTicksPerSweep == 0) {
    std::vector<std::shared_ptr<Connection>> all;
    all.reserve(host.connections.size());
    for (const auto& [key, connection] : host.connections) all.push_back(connection);
    for (const auto& connection : all) connection->sweep(now);
  }
  if (!host.stopping || (now < stop_at && !all_quiet())) return;
  close_all();
  io.stop();
}

bool HttpServer::State::all_quiet() const {
  for (const auto& [key, connection] : host.connections) {
    if (!connection->quiet()) return false;
  }
  return true;
}

void HttpServer::State::begin_stop() {
  if (std::exchange(host.stopping, true)) return;
  stop_at = Connection::Clock::now() + host.limits.stop_time;
  error_code ignored;
  acceptor.close(ignored);
  host.handler->begin_stop();
}

void HttpServer::State::close_all() {
  while (!host.connections.empty()) {
    const std::shared_ptr<Connection> connection = host.connections.begin()->second;
    connection->close();
  }
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const std::string& address, uint16_t port, HttpLimits limits) {
  error_code problem;
  const asio::ip::address parsed = asio::ip::make_address(address, problem);
  if (problem) {
    return Error{ErrorCode::kUsage, fmt::format("expected an address such as 127.0.0.1 or ::1, found '{}'", address),
                 "--host", ""};
  }
  auto state = std::make_unique<State>();
  limits.connections_max = connections_bound(limits.connections_max);
  state->host.limits = limits;
  AMK_TRY(state->listen({parsed, port}));
  // From here on, and so before anybody is told that it listens: a signal that comes early waits for run().
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) state->signals.add(number, problem);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

uint16_t HttpServer::port() const { return state_->bound.port(); }

void HttpServer::run(HttpHandler& handler) {
  State& state = *state_;
  state.host.handler = &handler;
  std::signal(SIGPIPE, SIG_IGN);
  state.signals.async_wait([&state](const error_code& problem, int) {
    if (!problem) state.begin_stop();
  });
  state.wait_for_clients();
  state.wait_for_tick();
  state.io.run();
}

void HttpServer::post(std::function<void()> what) { asio::dispatch(state_->io, std::move(what)); }

void HttpServer::post_later(std::function<void()> what) { asio::post(state_->io, std::move(what)); }

}  // namespace amk::mcp
