#include "mcp/core/call_threads.h"

#include <system_error>
#include <utility>

namespace amk::mcp {

CallThreads::~CallThreads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool CallThreads::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(work));
  if (idle_ < waiting_.size() && threads_.size() < threads_max_) {
    try {
      threads_.push_back(make_thread_([this] { run(); }));
    } catch (const std::system_error&) {
      if (threads_.empty()) {
        waiting_.pop_back();
        return false;
      }
    }
  }
  wake_.notify_one();
  return true;
}

void CallThreads::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace amk::mcp
