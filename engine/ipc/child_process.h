// A program run as a child: pipes to its standard streams, a deadline for its end, and no trace of it afterwards.
//
// Owns the process, its pipes and the last of its stderr. The child is ended with this object, and with this process
// however that ends. It is in a process group of its own, which is killed as a whole. All descriptors are
// close-on-exec, and the child gets none but its three streams.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/framing.h"

namespace amk::ipc {

/// How a process ended.
struct ExitStatus {
  int exit_code = 0;  ///< where signal is 0
  int signal = 0;     ///< that ended it, or 0

  /// "exit code 3" or "signal 11 (Segmentation fault)".
  [[nodiscard]] std::string text() const;
};

/// How a process is ended that is not wanted any more.
enum class Ending : uint8_t {
  kKill,  ///< SIGKILL, to it and its group
  /// Its stdin is closed; after a second it gets SIGTERM, after five more SIGKILL. For what has started something
  /// elsewhere, and must end that first. Where this process ends without a word, it gets SIGTERM.
  kAsk,
};

class ChildProcess {
 public:
  /// Bytes of stderr that are kept.
  static constexpr size_t kStderrBytesMax = 16U << 10U;

  /// `arguments` begin with the program, looked up in $PATH where it has no slash. kIo where it cannot be started: the
  /// message says why, location is the program.
  static Result<ChildProcess> start(const std::vector<std::string>& arguments, Ending ending = Ending::kKill);

  ChildProcess(ChildProcess&&) noexcept;
  ChildProcess& operator=(ChildProcess&&) noexcept;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] int stdin_fd() const;   ///< our end, not blocking; -1 once closed
  [[nodiscard]] int stdout_fd() const;  ///< our end, not blocking
  void close_stdin();

  /// The last kStderrBytesMax bytes of its stderr so far; all that it wrote, once wait() or kill() has seen it end.
  [[nodiscard]] std::string stderr_tail() const;

  /// How it ended; nullopt where it has not by then. May be asked again.
  std::optional<ExitStatus> wait(const Deadline& deadline);
  /// As its Ending says, with SIGKILL to it and to its group at the end; then wait() for at most `patience`: a process
  /// that is stuck in the kernel (a GPU driver can do that) ends later, and is then reaped in the background.
  std::optional<ExitStatus> kill(std::chrono::milliseconds patience = std::chrono::seconds(10));

 private:
  struct Impl;
  explicit ChildProcess(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace amk::ipc
