// The two descriptors that MCP over stdio runs on, out of everyone else's reach.
//
// Once claimed, descriptor 1 is stderr and descriptor 0 is empty: what a library or a child prints never gets among the
// messages.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace amk::mcp {

/// A pipe that becomes readable when something is over. Safe to use from a signal handler.
class Bell {
 public:
  /// kIo where the system has no pipe.
  static Result<Bell> make();
  Bell(Bell&& other) noexcept;
  Bell& operator=(Bell&&) = delete;
  ~Bell();

  void ring() const;
  [[nodiscard]] int fd() const { return read_; }  ///< readable for good after ring()

 private:
  Bell(int read, int write) : read_(read), write_(write) {}
  int read_;
  int write_;
};

/// To be called before anything is opened: a closed stream would be given to the next file, and messages would end up
/// in it. kIo where standard input or output is closed; a closed standard error leads nowhere from then on.
Status require_standard_streams();

/// The process's standard input and output.
class StdioChannel {
 public:
  /// `stop` ends reads and writes; it outlives the channel. kIo where the system refuses.
  static Result<StdioChannel> claim(const Bell& stop);
  StdioChannel(StdioChannel&& other) noexcept;
  StdioChannel& operator=(StdioChannel&&) = delete;
  ~StdioChannel();

  enum class Read { kBytes, kEnd, kStopped };
  /// Waits for some bytes. kStopped also when nobody reads our output any more.
  Read read(std::string& bytes);

  /// Writes the line and its end, whole and not interleaved with another's. Thread-safe. What cannot be written is
  /// dropped: nobody reads it.
  void write_line(std::string_view line);

 private:
  StdioChannel(int in, int out, const Bell& stop) : in_(in), out_(out), stop_(&stop) {}
  bool write_some(std::string_view& rest) const;

  int in_;
  int out_;
  const Bell* stop_;
  std::mutex write_mutex_;
  std::atomic<bool> broken_ = false;
};

}  // namespace amk::mcp
