#include "vm/reference/runners.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/random.h"

namespace amk::vm {

namespace {

/// A queue and how far it has come.
struct QueueHead {
  const std::vector<BoundTask>* tasks = nullptr;
  size_t next = 0;

  [[nodiscard]] bool done() const { return next == tasks->size(); }
  [[nodiscard]] bool ready() const { return !done() && (*tasks)[next].ready(); }
  void run(instructions::CpuWorkspace& workspace) { (*tasks)[next++].run(workspace); }
};

void relax_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Waits a little longer each time it is asked without progress between, and gives up after so long that only a
/// program that cannot progress explains it; the validator has proven that there is none.
class Patience {
 public:
  void progressed() { idle_rounds_ = 0; }
  void wait() {
    ++idle_rounds_;
    if (idle_rounds_ <= kSpins) return relax_core();
    std::this_thread::yield();
    if (idle_rounds_ == kSpins + 1) since_ = Clock::now();
    if (idle_rounds_ % kRoundsPerLook == 0) {
      AMK_ASSERT(Clock::now() - since_ < kDeadline, "a validated program makes no progress");
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kSpins = 200;
  static constexpr uint64_t kRoundsPerLook = 1024;
  static constexpr std::chrono::minutes kDeadline{10};
  uint64_t idle_rounds_ = 0;
  Clock::time_point since_;
};

void run_queues(std::vector<QueueHead> queues, instructions::CpuWorkspace& workspace) {
  const auto drop_finished = [&] { std::erase_if(queues, [](const QueueHead& queue) { return queue.done(); }); };
  Patience patience;
  drop_finished();
  while (!queues.empty()) {
    bool progress = false;
    for (QueueHead& queue : queues) {
      if (!queue.ready()) continue;
      queue.run(workspace);
      progress = true;
    }
    if (progress) {
      patience.progressed();
      drop_finished();
    } else {
      patience.wait();
    }
  }
}

/// What an adversarial order is up to for some steps.
struct Bias {
  enum class Kind : uint8_t { kStarve, kRunAhead, kFair };
  static constexpr uint64_t kKinds = 3;
  Kind kind = Kind::kFair;
  size_t sm = 0;
  uint64_t steps = 0;

  static Bias draw(Random& random, size_t sms) {
    return {static_cast<Kind>(random.below(kKinds)), random.below(sms), 1 + random.below(16 * sms)};
  }
};

/// One of `ready`, ascending SMs and not empty.
size_t choose(const std::vector<size_t>& ready, const Bias& bias, Random& random) {
  const auto at = std::find(ready.begin(), ready.end(), bias.sm);
  if (bias.kind == Bias::Kind::kRunAhead && at != ready.end()) return bias.sm;
  const size_t drawn = random.below(ready.size());
  if (bias.kind == Bias::Kind::kStarve && ready[drawn] == bias.sm) return ready[(drawn + 1) % ready.size()];
  return ready[drawn];
}

}  // namespace

void run_by_placement(const BoundProgram& program, ThreadPool& pool, std::vector<Worker>& workers) {
  const auto& queues = program.queues();
  pool.run_on_all([&](size_t worker) {
    std::vector<QueueHead> mine;
    for (size_t sm = worker; sm < queues.size(); sm += pool.size()) mine.push_back({&queues[sm], 0});
    run_queues(std::move(mine), workers[worker].workspace);
  });
}

void run_adversarially(const BoundProgram& program, uint64_t seed, Worker& worker) {
  Random random(seed);
  std::vector<QueueHead> queues;
  size_t left = 0;
  for (const std::vector<BoundTask>& queue : program.queues()) {
    queues.push_back({&queue, 0});
    left += queue.size();
  }
  Bias bias;
  std::vector<size_t> ready;
  for (; left > 0; --left) {
    if (bias.steps == 0) bias = Bias::draw(random, queues.size());
    --bias.steps;
    ready.clear();
    for (size_t sm = 0; sm < queues.size(); ++sm) {
      if (queues[sm].ready()) ready.push_back(sm);
    }
    AMK_ASSERT(!ready.empty(), "a validated program has a task that can run until all have run");
    queues[choose(ready, bias, random)].run(worker.workspace);
  }
}

}  // namespace amk::vm
