#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace amk {

size_t available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return std::max(1U, std::thread::hardware_concurrency());
  return static_cast<size_t>(std::max(1, CPU_COUNT(&mask)));
}

struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable start;
  std::condition_variable done;
  const std::function<void(size_t)>* job = nullptr;
  uint64_t generation = 0;
  size_t running = 0;
  bool stopping = false;
  std::vector<std::thread> threads;

  void work(size_t worker) {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      start.wait(lock, [&] { return stopping || generation != seen; });
      if (stopping) return;
      seen = generation;
      const auto* current = job;
      lock.unlock();
      (*current)(worker);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(size_t threads) : state_(std::make_unique<State>()) {
  const size_t count = threads == 0 ? available_cores() : threads;
  for (size_t worker = 1; worker < count; ++worker) {
    state_->threads.emplace_back([state = state_.get(), worker] { state->work(worker); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->start.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

size_t ThreadPool::size() const { return state_->threads.size() + 1; }

void ThreadPool::run_on_all(const std::function<void(size_t worker)>& job) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->job = &job;
    state_->running = state_->threads.size();
    ++state_->generation;
  }
  state_->start.notify_all();
  job(0);
  std::unique_lock lock(state_->mutex);
  state_->done.wait(lock, [&] { return state_->running == 0; });
}

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t begin, size_t end)>& body) {
  const size_t workers = size();
  run_on_all([&](size_t worker) {
    const size_t begin = count * worker / workers;
    const size_t end = count * (worker + 1) / workers;
    if (begin < end) body(begin, end);
  });
}

}  // namespace amk
