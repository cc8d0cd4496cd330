// An MCP server as a child process, driven line by line over its standard streams.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace amk::test {

using Json = nlohmann::ordered_json;

/// What a server may take until something comes of it; 16 MiB take long where a sanitizer looks on.
inline constexpr std::chrono::seconds kPatience{20 * SPEED_LIMIT_FACTOR};

class McpProcess {
 public:
  struct Exit {
    int code = -1;   ///< -1: it was ended by a signal
    int signal = 0;  ///< that ended it
  };

  /// In that directory, with the environment that Codex gives a server, and those variables ("NAME=value").
  explicit McpProcess(std::vector<std::string> command, const std::string& directory = "/",
                      const std::vector<std::string>& variables = {});
  /// Kills what is left.
  ~McpProcess();
  McpProcess(const McpProcess&) = delete;
  McpProcess& operator=(const McpProcess&) = delete;

  /// Bytes as they are; nothing is added. What the server no longer reads is dropped.
  void send_bytes(const std::string& bytes) const;
  /// The message and the end of its line.
  void send(const Json& message) const { send_bytes(message.dump() + "\n"); }

  /// The next message that it writes; throws where none comes, where a line is no JSON, or after the end.
  Json receive(std::chrono::milliseconds patience = kPatience);
  /// The next line as it is; throws where none comes.
  std::string receive_text(std::chrono::milliseconds patience = kPatience);
  /// The next message, or nothing by then or at the end.
  std::optional<Json> try_receive(std::chrono::milliseconds patience);
  /// The reply with that id; other messages before it are kept in seen().
  Json reply_to(const Json& id);
  /// Sends the request and waits for its reply.
  Json ask(const Json& request);

  /// "initialize" of a legacy client; the result.
  Json initialize(const std::string& version = "2025-11-25");
  /// tools/call; the result. Throws where it is an error of the protocol.
  Json call(const std::string& tool, const Json& arguments, bool modern = false);

  void close_input();
  void close_output();
  void signal(int number) const;
  /// Throws where it does not end by then.
  Exit wait(std::chrono::milliseconds patience = kPatience);

  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] const std::vector<Json>& seen() const { return seen_; }
  /// For who receives without end.
  void forget_seen() { seen_.clear(); }

 private:
  std::optional<std::string> read_line(std::chrono::milliseconds patience);

  int pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int next_id_ = 1000;
  std::string pending_;
  std::vector<Json> seen_;
};

/// A request of 2025-11-25.
Json request(const Json& id, const std::string& method, const Json& params = Json::object());
/// A request of 2026-07-28, with its _meta.
Json modern_request(const Json& id, const std::string& method, Json params = Json::object());

/// tests/mcp/fixture_server.cpp.
std::vector<std::string> fixture_server();
/// The program, with that workspace.
std::vector<std::string> amk_mcp(const std::filesystem::path& workspace, const std::vector<std::string>& more = {});

}  // namespace amk::test
