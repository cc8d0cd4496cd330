// Runs: what takes long is a program of its own, which writes into a folder of the workspace and outlives this server.
//
// WORKSPACE/runs/RUN_ID/
//   request.json    what was asked for, and when
//   process.json    the process: its number, and when it was started, since numbers come again
//   running         made when it leaves the queue
//   result.json     its document, complete once the process has ended
//   stderr.log      its notes and progress
//   cancelled       made by a cancel
//   ...             what else it makes (charts, bundles)
//
// A run's state is read from this every time, so that any number of servers, now and later, agree on it. Nothing here
// is ever deleted by the server.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/core/json.h"

namespace amk::mcp {

enum class RunState {
  kQueued,  ///< waits for the runs before it: one of a workspace runs at a time
  kRunning,
  kDone,    ///< has a result, good or bad news
  kFailed,  ///< has an error, or ended without a word
  kCancelled,
};
[[nodiscard]] const char* run_state_name(RunState state);

struct Run {
  std::string id;
  std::string tool;
  Json arguments;
  RunState state = RunState::kFailed;
  std::string started;  ///< UTC, "2026-11-22T23:32:50Z"
  double elapsed_s = 0;
  std::string progress;          ///< the last step that it reported; may be empty
  Json result;                   ///< the document; null unless kDone
  bool result_left_out = false;  ///< it is longer than was asked for
  std::string error;             ///< why it failed
  std::filesystem::path folder;

  [[nodiscard]] bool ended() const { return state != RunState::kQueued && state != RunState::kRunning; }
};

/// Thread-safe.
class RunStore {
 public:
  explicit RunStore(std::filesystem::path workspace) : workspace_(std::move(workspace)) {}

  [[nodiscard]] const std::filesystem::path& workspace() const { return workspace_; }

  /// A folder for a run of the tool: its name is the run's id. kIo where it cannot be made.
  Result<std::string> make(const std::string& tool, const Json& arguments);
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const { return workspace_ / "runs" / id; }
  /// Starts the command in a session of its own, behind the workspace's queue.
  Status start(const std::string& id, const std::vector<std::string>& command);
  /// Says in its folder why a run could not be started.
  void fail(const std::string& id, const Error& error) const;

  /// kUsage where there is no such run, with what to do. A result that is longer is left out, and not read.
  Result<Run> look(const std::string& id, uint64_t result_bytes_max = kResultBytesMax);
  /// Ends it, with all its processes. A run that has ended stays as it is.
  Result<Run> cancel(const std::string& id);
  /// The newest first.
  std::vector<Run> list(size_t count);
  /// Of what may be runs, the newest first. Only names are read.
  [[nodiscard]] std::vector<std::string> ids(size_t count) const;

  /// What was asked for: {"tool", "arguments", "started", "started_unix"}, which never changes; null for no run.
  [[nodiscard]] Json request_of(const std::string& id) const;
  /// A text that is another one whenever look() would say something else, but for the time that has passed. Cheaper.
  std::string stamp(const std::string& id);
  /// Whole lines of its log beyond byte `from` that are no progress, at most some; `from` moves behind them.
  [[nodiscard]] std::vector<std::string> notes(const std::string& id, uint64_t& from) const;
  /// Behind the last whole line of its log now; 0 for no run.
  [[nodiscard]] uint64_t log_end(const std::string& id) const;

  static constexpr uint64_t kResultBytesMax = 64ULL << 20;

 private:
  void reap();

  std::filesystem::path workspace_;
  std::mutex mutex_;
  std::vector<int> children_;  ///< process numbers of those that this server started
};

}  // namespace amk::mcp
