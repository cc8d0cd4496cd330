#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

namespace amk::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kQuietAtFirst{1000};
constexpr std::chrono::milliseconds kEvery{200};
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

/// A thread of its own redraws the line, so that it moves while the work does not report.
struct Progress::State {
  std::mutex mutex;
  std::condition_variable wake;
  std::string what;
  uint32_t done = 0;
  uint32_t of = 0;
  bool stopping = false;
  bool shown = false;
  bool lines = false;  ///< for a program
  Clock::time_point start = Clock::now();
  Clock::time_point step_start = start;
  std::thread thread;

  void draw() {
    if (lines) {
      const std::chrono::duration<double> seconds = Clock::now() - step_start;
      const Json step = {{"step", what}, {"done", done}, {"of", of}, {"seconds", seconds.count()}};
      fmt::print(stderr, "{}\n", Json{{"progress", step}}.dump(-1, ' ', false, Json::error_handler_t::replace));
      return;
    }
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    const std::string share = of == 0 ? "" : fmt::format(" {}/{}", done, of);
    fmt::print(stderr, "{}amk: {}{}, {:.0f} s", kClearLine, what, share, elapsed.count());
    std::fflush(stderr);
    shown = true;
  }

  void run() {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, lines ? kEvery : kQuietAtFirst, [&] { return stopping; });
    while (!stopping) {
      draw();
      wake.wait_for(lock, kEvery, [&] { return stopping; });
    }
    if (shown) {
      fmt::print(stderr, "{}", kClearLine);
      std::fflush(stderr);
    }
  }
};

Progress::Progress(const Output& output) {
  if (output.quiet() || (!output.progress_lines() && isatty(STDERR_FILENO) == 0)) return;
  state_ = std::make_unique<State>();
  state_->lines = output.progress_lines();
  state_->what = "working";
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Progress::~Progress() { stop(); }

void Progress::step(std::string_view what, uint32_t done, uint32_t of) {
  if (!state_) return;
  const std::lock_guard lock(state_->mutex);
  if (state_->what != what) state_->step_start = Clock::now();
  state_->what = what;
  state_->done = done;
  state_->of = of;
}

void Progress::stop() {
  if (!state_) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
  state_.reset();
}

}  // namespace amk::cli
