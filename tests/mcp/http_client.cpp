#include "mcp/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace amk::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool readable(int fd, milliseconds patience) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(patience.count())) > 0;
}

std::string read_line(int fd) {
  std::string line;
  char c = 0;
  while (readable(fd, kPatience) && ::read(fd, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

/// Of `headers` goes what `more` names, too.
void drop_replaced(Headers& headers, const Headers& more) {
  for (const auto& given : more) {
    std::erase_if(headers, [&](const auto& header) { return lower(header.first) == lower(given.first); });
  }
}

}  // namespace

HttpServerProcess::HttpServerProcess(std::vector<std::string> command) {
  std::signal(SIGPIPE, SIG_IGN);
  for (const char* more : {"--http", "--port", "0"}) command.emplace_back(more);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe failed");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::vector<char*> argv;
  for (std::string& argument : command) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int problem = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  errors_ = ends[0];
  if (problem != 0) fail("cannot start " + command[0]);
  announcement_ = read_line(errors_);
  const size_t colon = announcement_.rfind(':');
  if (!announcement_.starts_with("listening on http://") || colon == std::string::npos) {
    fail("expected a port, found: " + announcement_);
  }
  port_ = std::stoi(announcement_.substr(colon + 1));
}

HttpServerProcess::~HttpServerProcess() {
  if (errors_ >= 0) ::close(errors_);
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void HttpServerProcess::signal(int number) const { ::kill(pid_, number); }

int HttpServerProcess::wait(milliseconds patience) {
  const auto end = Clock::now() + patience;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > end) fail("expected the server to end, found it running");
    std::this_thread::sleep_for(milliseconds(2));
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

size_t HttpServerProcess::open_files() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid_) + "/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t HttpServerProcess::resident_kib() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  fail("expected VmRSS, found none");
}

double HttpServerProcess::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(file, text);
  // Fields 14 and 15 of proc(5); the second, a name in brackets, may have blanks.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double kernel = 0;
  fields >> user >> kernel;
  return (user + kernel) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string HttpReply::header(const std::string& name) const {
  const auto found = headers.find(lower(name));
  return found == headers.end() ? "" : found->second;
}

HttpConnection::HttpConnection(int port) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close();
    fail("cannot connect");
  }
}

void HttpConnection::send(const std::string& bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (put < 0 && errno != EINTR) return;
    if (put > 0) done += static_cast<size_t>(put);
  }
}

void HttpConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool HttpConnection::read_more(milliseconds patience) {
  if (!readable(fd_, patience)) return false;
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    ended_ = true;
    return false;
  }
  pending_.append(buffer.data(), static_cast<size_t>(got));
  return true;
}

HttpReply HttpConnection::read_reply() {
  size_t end = 0;
  while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
    if (read_more(kPatience)) continue;
    if (ended_) return {};
    fail("expected a response, found none");
  }
  HttpReply out;
  const std::string head = pending_.substr(0, end + 2);
  pending_.erase(0, end + 4);
  out.status = std::stoi(head.substr(head.find(' ') + 1));
  for (size_t at = head.find("\r\n") + 2; at < head.size(); at = head.find("\r\n", at) + 2) {
    const size_t colon = head.find(": ", at);
    out.headers[lower(head.substr(at, colon - at))] = head.substr(colon + 2, head.find("\r\n", at) - colon - 2);
  }
  if (out.status == 100) return read_reply();
  if (out.header("content-length").empty()) return out;
  const size_t length = std::stoul(out.header("content-length"));
  while (pending_.size() < length) {
    if (!read_more(kPatience)) fail("expected a whole body, found " + std::to_string(pending_.size()) + " bytes");
  }
  out.body = pending_.substr(0, length);
  pending_.erase(0, length);
  return out;
}

bool HttpConnection::read_chunk(milliseconds patience) {
  const auto end = Clock::now() + patience;
  while (true) {
    const size_t line = pending_.find("\r\n");
    const size_t size = line == std::string::npos ? 0 : std::stoul(pending_, nullptr, 16);
    if (line != std::string::npos && pending_.size() >= line + 2 + size + 2) {
      events_ += pending_.substr(line + 2, size);
      pending_.erase(0, line + 2 + size + 2);
      ended_ = ended_ || size == 0;
      return size > 0;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left.count() <= 0 || !read_more(left)) return false;
  }
}

std::optional<ServerEvent> HttpConnection::next_event(milliseconds patience) {
  const auto end = Clock::now() + patience;
  while (true) {
    const size_t blank = events_.find("\n\n");
    if (blank == std::string::npos) {
      const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
      if (ended_ || !read_chunk(std::max(left, milliseconds(0)))) return std::nullopt;
      continue;
    }
    const std::string text = events_.substr(0, blank + 1);
    events_.erase(0, blank + 2);
    if (text.starts_with(":")) {
      ++comments_;
      continue;
    }
    ServerEvent out;
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const std::string field = text.substr(at, text.find('\n', at) - at);
      if (field.starts_with("id: ")) out.id = field.substr(4);
      if (field.starts_with("data: ")) out.data = field.substr(6);
    }
    return out;
  }
}

Json HttpConnection::next_message() {
  while (true) {
    const std::optional<ServerEvent> event = next_event();
    if (!event) fail("expected an event, found none");
    if (!event->data.empty()) return event->json();
  }
}

Json HttpConnection::read_result() {
  const HttpReply reply = read_reply();
  if (reply.header("Content-Type") != "text/event-stream") return reply.json();
  Json message = next_message();
  while (message.contains("method")) message = next_message();
  return message;
}

bool HttpConnection::ends_within(milliseconds patience) {
  const auto end = Clock::now() + patience;
  while (!ended_) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    read_more(left);
    pending_.clear();
  }
  return true;
}

std::string http_request(const std::string& method, const std::string& body, const Headers& more,
                         const std::string& path) {
  Headers headers = {{"Host", "127.0.0.1"}, {"Accept", "application/json, text/event-stream"}};
  if (method == "POST") {
    headers.emplace_back("Content-Type", "application/json");
    headers.emplace_back("Content-Length", std::to_string(body.size()));
  }
  drop_replaced(headers, more);
  headers.insert(headers.end(), more.begin(), more.end());
  std::string out = method + " " + path + " HTTP/1.1\r\n";
  for (const auto& [name, value] : headers) {
    if (!value.empty()) out += name + ": " + value + "\r\n";
  }
  return out + "\r\n" + body;
}

std::string post(const Json& message, const Headers& more) { return http_request("POST", message.dump(), more); }

std::string modern_post(const Json& message, const Headers& more) {
  Headers headers = {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", message.value("method", "")}};
  const Json params = message.value("params", Json::object());
  if (params.contains("name")) headers.emplace_back("Mcp-Name", params["name"].get<std::string>());
  if (params.contains("uri")) headers.emplace_back("Mcp-Name", params["uri"].get<std::string>());
  drop_replaced(headers, more);
  headers.insert(headers.end(), more.begin(), more.end());
  return post(message, headers);
}

HttpReply ask_once(int port, const std::string& bytes) { return HttpConnection(port).ask(bytes); }

std::string begin_session(int port, const std::string& version) {
  const Json params = {{"protocolVersion", version},
                       {"capabilities", Json::object()},
                       {"clientInfo", {{"name", "test"}, {"version", "1"}}}};
  const HttpReply reply = ask_once(port, post(request(0, "initialize", params)));
  if (reply.status != 200) fail("expected a session, found: " + reply.body);
  return reply.header("Mcp-Session-Id");
}

std::vector<std::string> http_fixture_server(const std::vector<std::string>& more) {
  std::vector<std::string> out = fixture_server();
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace amk::test
