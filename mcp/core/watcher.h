// What looks, every so often, whether something has changed: one thread for every subscription of the server, and none
// where there are none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "mcp/core/make_thread.h"

namespace amk::mcp {

/// Thread-safe.
class Watcher {
 public:
  using State = std::function<std::string()>;

  explicit Watcher(std::chrono::milliseconds every = std::chrono::milliseconds(500), MakeThread make = make_thread)
      : every_(every), make_thread_(std::move(make)) {}
  /// Nothing is watched any more.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Calls `on_change`, from the watcher's thread, whenever `state` says something else than before; `before` is what
  /// it said when the caller looked. nullopt where too many are watched already, or there is no thread to look.
  std::optional<uint64_t> watch(State state, std::string before, std::function<void()> on_change);
  /// Once it returns, that on_change does not run, nor ever will. Not to be called from an on_change.
  void forget(uint64_t id);

  [[nodiscard]] size_t count() const;
  [[nodiscard]] bool has_thread() const;

  static constexpr size_t kWatchesMax = 1024;

 private:
  struct Watch {
    std::mutex mutex;  ///< held while it is looked at
    bool gone = false;
    State state;
    std::string before;
    std::function<void()> on_change;
  };
  void run();
  static void look(Watch& watch);

  const std::chrono::milliseconds every_;
  const MakeThread make_thread_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<uint64_t, std::shared_ptr<Watch>> watches_;
  uint64_t last_id_ = 0;
  bool running_ = false;  ///< the thread has not decided to end
  std::thread thread_;
};

}  // namespace amk::mcp
