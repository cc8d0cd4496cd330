#include "mcp/core/watcher.h"

#include <exception>
#include <system_error>
#include <utility>
#include <vector>

namespace amk::mcp {

Watcher::~Watcher() {
  {
    const std::lock_guard lock(mutex_);
    watches_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::optional<uint64_t> Watcher::watch(State state, std::string before, std::function<void()> on_change) {
  const auto watch = std::make_shared<Watch>();
  watch->state = std::move(state);
  watch->before = std::move(before);
  watch->on_change = std::move(on_change);
  const std::lock_guard lock(mutex_);
  if (watches_.size() >= kWatchesMax) return std::nullopt;
  watches_.emplace(++last_id_, watch);
  if (!running_) {
    if (thread_.joinable()) thread_.join();  // it has let go of the lock, and ends
    try {
      thread_ = make_thread_([this] { run(); });
    } catch (const std::system_error&) {
      watches_.erase(last_id_);
      return std::nullopt;
    }
    running_ = true;
  }
  return last_id_;
}

void Watcher::forget(uint64_t id) {
  std::shared_ptr<Watch> watch;
  {
    const std::lock_guard lock(mutex_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    watch = std::move(found->second);
    watches_.erase(found);
  }
  wake_.notify_all();
  const std::lock_guard lock(watch->mutex);
  watch->gone = true;
}

size_t Watcher::count() const {
  const std::lock_guard lock(mutex_);
  return watches_.size();
}

bool Watcher::has_thread() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void Watcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait_for(lock, every_, [&] { return watches_.empty(); });
    if (watches_.empty()) break;
    std::vector<std::shared_ptr<Watch>> all;
    for (const auto& [id, watch] : watches_) all.push_back(watch);
    lock.unlock();
    for (const std::shared_ptr<Watch>& watch : all) look(*watch);
    lock.lock();
  }
  running_ = false;
}

void Watcher::look(Watch& watch) {
  const std::lock_guard lock(watch.mutex);
  if (watch.gone) return;
  try {
    std::string now = watch.state();
    if (now == watch.before) return;
    watch.before = std::move(now);
    watch.on_change();
  } catch (const std::exception&) {
    // What cannot be said now may be sayable at the next look; whoever reads the resource is told why not.
  }
}

}  // namespace amk::mcp
