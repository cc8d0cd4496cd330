// A fixed set of worker threads that run one job at a time, all of them on it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace amk {

class ThreadPool {
 public:
  /// `threads` = 0 takes every core this process may run on.
  explicit ThreadPool(size_t threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] size_t size() const;

  /// Calls job(worker) once for every worker in [0, size()), the caller's thread being worker 0, and returns when
  /// all have returned. `job` must not throw and must not call run_on_all of the same pool.
  void run_on_all(const std::function<void(size_t worker)>& job);

  /// Calls body(begin, end) over [0, count) cut into one contiguous part a worker.
  void parallel_for(size_t count, const std::function<void(size_t begin, size_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The cores this process may run on (its affinity mask), at least 1.
[[nodiscard]] size_t available_cores();

}  // namespace amk
