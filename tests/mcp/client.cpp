#include "mcp/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace amk::test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

int left(Clock::time_point end) {
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  return static_cast<int>(std::max<long>(0, rest.count()));
}

/// What Codex starts a server with.
std::vector<std::string> stripped_environment() {
  std::vector<std::string> out = {"LANG=C.UTF-8", "TERM=dumb", "USER=root"};
  for (const char* name : {"HOME", "PATH", "TMPDIR"}) {
    if (const char* value = std::getenv(name); value != nullptr) out.push_back(std::string(name) + "=" + value);
  }
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

McpProcess::McpProcess(std::vector<std::string> command, const std::string& directory,
                       const std::vector<std::string>& variables) {
  std::signal(SIGPIPE, SIG_IGN);
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) fail("pipe failed");
  command[0] = std::filesystem::absolute(command[0]).string();
  std::vector<std::string> environment = stripped_environment();
  environment.insert(environment.end(), variables.begin(), variables.end());
  const std::vector<char*> argv = pointers(command);
  const std::vector<char*> envp = pointers(environment);
  pid_ = ::fork();
  if (pid_ < 0) fail("fork failed");
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    if (::chdir(directory.c_str()) != 0) ::_exit(126);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
}

McpProcess::~McpProcess() {
  close_input();
  close_output();
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void McpProcess::send_bytes(const std::string& bytes) const {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(in_, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno != EINTR) return;
    if (put > 0) done += static_cast<size_t>(put);
  }
}

std::optional<std::string> McpProcess::read_line(std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  while (true) {
    if (const size_t at = pending_.find('\n'); at != std::string::npos) {
      std::string line = pending_.substr(0, at);
      pending_.erase(0, at + 1);
      return line;
    }
    pollfd wanted{out_, POLLIN, 0};
    if (::poll(&wanted, 1, left(end)) == 0) return std::nullopt;
    std::array<char, 65536> buffer;
    const ssize_t got = ::read(out_, buffer.data(), buffer.size());
    if (got <= 0) {
      if (!pending_.empty()) fail("expected whole lines, found the end after: " + pending_);
      return std::nullopt;
    }
    pending_.append(buffer.data(), static_cast<size_t>(got));
  }
}

std::string McpProcess::receive_text(std::chrono::milliseconds patience) {
  std::optional<std::string> line = read_line(patience);
  if (!line) fail("expected a line, found none");
  return *line;
}

std::optional<Json> McpProcess::try_receive(std::chrono::milliseconds patience) {
  const std::optional<std::string> line = read_line(patience);
  if (!line) return std::nullopt;
  Json message = Json::parse(*line);  // throws where the line is no JSON in UTF-8
  seen_.push_back(message);
  return message;
}

Json McpProcess::receive(std::chrono::milliseconds patience) {
  std::optional<Json> message = try_receive(patience);
  if (!message) fail("expected a message, found none");
  return *message;
}

Json McpProcess::reply_to(const Json& id) {
  while (true) {
    Json message = receive();
    if (!message.contains("method") && message.at("id") == id) return message;
  }
}

Json McpProcess::ask(const Json& request) {
  send(request);
  return reply_to(request.at("id"));
}

Json McpProcess::initialize(const std::string& version) {
  const Json params = {{"protocolVersion", version},
                       {"capabilities", Json::object()},
                       {"clientInfo", {{"name", "test"}, {"version", "1"}}}};
  Json reply = ask(request(++next_id_, "initialize", params));
  send({{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}});
  return reply.at("result");
}

Json McpProcess::call(const std::string& tool, const Json& arguments, bool modern) {
  const Json params = {{"name", tool}, {"arguments", arguments}};
  const Json id = ++next_id_;
  return ask(modern ? modern_request(id, "tools/call", params) : request(id, "tools/call", params)).at("result");
}

void McpProcess::close_input() {
  if (in_ >= 0) ::close(in_);
  in_ = -1;
}

void McpProcess::close_output() {
  if (out_ >= 0) ::close(out_);
  out_ = -1;
}

void McpProcess::signal(int number) const { ::kill(pid_, number); }

McpProcess::Exit McpProcess::wait(std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > end) fail("expected the server to end, found it running");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  pid_ = -1;
  Exit out;
  if (WIFEXITED(status)) out.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) out.signal = WTERMSIG(status);
  return out;
}

Json request(const Json& id, const std::string& method, const Json& params) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
}

Json modern_request(const Json& id, const std::string& method, Json params) {
  params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28";
  params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = Json::object();
  return request(id, method, params);
}

std::vector<std::string> fixture_server() { return {MCP_FIXTURE_PROGRAM}; }

std::vector<std::string> amk_mcp(const std::filesystem::path& workspace, const std::vector<std::string>& more) {
  std::vector<std::string> out = {AMK_MCP_PROGRAM, "--workspace", workspace.string()};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace amk::test
