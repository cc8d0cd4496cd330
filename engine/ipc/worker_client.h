// A worker process as a function: a request goes in, a result or an Error comes out, by a deadline.
//
// Owns the child and what is said to it (ipc/protocol.h). Whatever the worker does, call() returns: a worker that
// hangs, crashes or talks nonsense is killed and reaped, and the next call starts another. What the first had loaded is
// gone then; generation() tells.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/child_process.h"
#include "ipc/protocol.h"

namespace amk::ipc {

struct WorkerCommand {
  std::vector<std::string> arguments;  ///< the program first
  std::chrono::milliseconds start_deadline = std::chrono::seconds(30);
  Ending ending = Ending::kKill;
};

/// $AMK_WORKER, else amk-worker beside the running program. kIo where it is not there.
Result<WorkerCommand> installed_worker();

/// That worker, started by another command, which forwards its stdin and stdout: "srun --gres=gpu:1". The words of
/// `launch` come before the worker's; it is asked to end (Ending::kAsk), and has ten minutes to start: a cluster may
/// let it wait. Empty: installed_worker(). kUsage as split_words().
Result<WorkerCommand> launched_worker(const std::string& launch);

/// Words with blanks between them, as a shell splits them, and no more than that: '...' and "..." hold what has
/// blanks, a backslash takes the next character as it is (not in '...'). kUsage for a quote that does not end.
Result<std::vector<std::string>> split_words(std::string_view text);

/// How a call ended.
enum class CallEnd {
  kResult,    ///< with a result
  kError,     ///< the worker replied with an error, and lives
  kDeadline,  ///< the worker was killed
  kCrash,     ///< the worker ended by itself
  kNonsense,  ///< the worker said what is no reply, and was killed
  kNotSent,   ///< no worker could be started, or the request is too large
};

/// One thread uses a WorkerClient at a time.
class WorkerClient {
 public:
  using OnProgress = std::function<void(const Json&)>;
  /// What may pass before the worker is heard again, given what it reports; nullopt where that is no progress of the
  /// request.
  using Patience = std::function<std::optional<std::chrono::milliseconds>(const Json& progress)>;

  /// Starts the child and asks it "hello". kUnsupported where it speaks another protocol.
  static Result<WorkerClient> start(WorkerCommand command);
  /// Starts nothing yet: the first call does.
  static WorkerClient when_called(WorkerCommand command) { return WorkerClient(std::move(command)); }

  /// The reply's result or its error. `deadline` counts from now, the sending and the start of a new child included;
  /// `on_progress` must not call back. After kDeadline, kCrash and kNonsense the Error is kInternal, its location the
  /// program, its hint the last lines of the worker's stderr.
  Result<Json> call(std::string_view name, const Json& params, std::chrono::milliseconds deadline,
                    const OnProgress& on_progress = nullptr);

  /// As call(), for work whose length nobody knows: the deadline is set anew by every progress frame. `first` is what
  /// may pass before the first of them (or the reply), the child's start included. After progress for which there is
  /// no patience, the call ends as kNonsense.
  Result<Json> call_attended(std::string_view name, const Json& params, std::chrono::milliseconds first,
                             const Patience& patience);

  /// Ends the child; the next call starts another. For one that answers and is of no more use.
  void stop();

  // About the last call.
  [[nodiscard]] CallEnd end() const { return end_; }
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }  ///< that came with an error

  /// How many children there have been.
  [[nodiscard]] uint64_t generation() const { return generation_; }
  /// What the child said to the last "hello".
  [[nodiscard]] const Json& hello() const { return hello_; }
  /// Of the child; 0 while there is none.
  [[nodiscard]] pid_t pid() const { return child_ ? child_->pid() : 0; }
  /// The last that the child wrote to stderr, also one that is gone.
  [[nodiscard]] std::string stderr_tail() const { return child_ ? child_->stderr_tail() : last_stderr_; }

 private:
  explicit WorkerClient(WorkerCommand command) : command_(std::move(command)) {}
  /// By the caller's deadline where that is sooner than the command's.
  Status start_child(const Deadline& callers);
  /// When a call is given up, and how that is put in words.
  struct Limit {
    std::chrono::milliseconds allowed;
    Deadline at;
    const Patience* patience = nullptr;  ///< renews it; null: nothing does
    bool renewed = false;
  };
  /// Starts a child where there is none, by the limit.
  Status ensure_child(const Deadline& deadline);
  Result<Json> exchange(std::string_view name, const Json& params, Limit limit, const OnProgress& on_progress);
  Result<Json> wait_for_reply(std::string_view name, Limit limit, const OnProgress& on_progress);
  /// Whether the frame's progress gives the worker more time.
  static bool renew(Limit& limit, const Json& progress);
  Result<Json> result_of(Json reply, std::string_view name);
  Error ended(const FrameResult& frame, std::string_view name, const Limit& limit);
  Error failed(CallEnd end, std::string message);
  Error crashed(std::string_view name);
  Error nonsense(std::string_view name, std::string_view problem);

  WorkerCommand command_;
  std::optional<ChildProcess> child_;
  uint64_t next_id_ = 1;
  uint64_t generation_ = 0;
  CallEnd end_ = CallEnd::kNotSent;
  std::optional<Fault> fault_;
  Json hello_;
  std::string last_stderr_;
};

}  // namespace amk::ipc
