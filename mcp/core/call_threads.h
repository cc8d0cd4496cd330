// The threads that calls run on: as many as are busy, up to a bound, beyond which calls wait for their turn.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "mcp/core/make_thread.h"

namespace amk::mcp {

class CallThreads {
 public:
  explicit CallThreads(size_t threads_max = 64, MakeThread make = make_thread)
      : threads_max_(threads_max), make_thread_(std::move(make)) {
    threads_.reserve(threads_max_);
  }
  /// Waits for what runs, and drops what waits.
  ~CallThreads();
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  /// In the order of the posts. `work` throws nothing. False where it is not taken: there is no thread, and the system
  /// gives none.
  [[nodiscard]] bool post(std::function<void()> work);

 private:
  void run();

  const size_t threads_max_;
  const MakeThread make_thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace amk::mcp
