#include "schedule/cost_model.h"

#include <algorithm>

#include "schedule/target.h"
#include "schedule/task_cost.h"

namespace amk::schedule {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

/// How one task went.
struct Run {
  double free = 0;   ///< SM free
  double ready = 0;  ///< SM free and counters reached
  double end = 0;
  double stream = 0;       ///< of the time between, how much it spent waiting for bytes
  uint32_t cause = kNone;  ///< the task whose end made it ready
  uint32_t level = 1;
};

class Playback {
 public:
  Playback(const Program& program, const abi::TargetInfo& target, uint32_t position, const CostConstants& constants)
      : program_(program),
        constants_(constants),
        positions_(uint64_t{position} + 1),
        bytes_per_us_(sustained_bandwidth(target) / 1e6 / target.sms),
        ring_us_(static_cast<double>(program.launch.stages) * program.launch.stage_bytes / bytes_per_us_),
        runs_(program.tasks.size()),
        reached_(program.counters.size()) {}

  Prediction run() {
    Prediction out;
    const size_t sms = program_.placement.queues.size();
    out.bytes_of_sm.assign(sms, 0);
    std::vector<uint32_t> sm_of(program_.tasks.size(), 0);
    for (uint32_t sm = 0; sm < sms; ++sm) {
      for (const TaskId task : program_.placement.queues[sm]) sm_of[task.index()] = sm;
    }
    sms_.assign(sms, {constants_.launch_us, constants_.launch_us, kNone});
    for (const uint32_t task : topological_order()) {
      const uint64_t weights = weight_bytes(program_.tasks[task], program_);
      const uint64_t history = history_bytes(program_.tasks[task], positions_);
      play(task, sm_of[task], history);
      out.history_bytes += history;
      out.bytes_of_sm[sm_of[task]] += weights + history;
    }
    out.weight_bytes = distinct_weight_bytes(program_);
    out.floor_us = static_cast<double>(out.weight_bytes + out.history_bytes) / bytes_per_us_ / static_cast<double>(sms);
    trace_back(out);
    return out;
  }

  /// What run() played.
  [[nodiscard]] std::vector<PlayedTask> played() const {
    std::vector<PlayedTask> out;
    for (uint32_t sm = 0; sm < program_.placement.queues.size(); ++sm) {
      for (const TaskId task : program_.placement.queues[sm]) {
        const Run& of = runs_[task.index()];
        if (of.end > 0) out.push_back({task.index(), sm, of.free, of.ready, of.end, of.stream});
      }
    }
    return out;
  }

 private:
  struct Sm {
    double free = 0;      ///< its last task's end
    double streamed = 0;  ///< when the bytes of its last task had arrived
    uint32_t last = kNone;
  };
  struct Reached {
    uint32_t count = 0;
    double time = 0;
    uint32_t by = kNone;
    uint32_t level = 0;
  };

  /// Task ids such that queues and counters are respected.
  [[nodiscard]] std::vector<uint32_t> topological_order() const {
    std::vector<uint32_t> left(program_.counters.size(), 0);
    for (const Task& task : program_.tasks) ++left[task.signal.index()];
    std::vector<uint32_t> order;
    std::vector<size_t> next(program_.placement.queues.size(), 0);
    std::vector<uint32_t> ready;
    std::vector<std::vector<uint32_t>> blocked(program_.counters.size());
    for (uint32_t sm = 0; sm < next.size(); ++sm) ready.push_back(sm);
    while (!ready.empty()) {
      const uint32_t sm = ready.back();
      ready.pop_back();
      const std::vector<TaskId>& queue = program_.placement.queues[sm];
      while (next[sm] < queue.size()) {
        const Task& task = program_.task(queue[next[sm]]);
        const auto lacking = std::find_if(task.waits.begin(), task.waits.end(),
                                          [&](const Wait& wait) { return left[wait.counter.index()] != 0; });
        if (lacking != task.waits.end()) {
          blocked[lacking->counter.index()].push_back(sm);
          break;
        }
        order.push_back(queue[next[sm]++].index());
        const uint32_t signal = task.signal.index();
        if (--left[signal] != 0) continue;
        ready.insert(ready.end(), blocked[signal].begin(), blocked[signal].end());
        blocked[signal].clear();
      }
    }
    return order;
  }

  void play(uint32_t id, uint32_t sm_index, uint64_t history) {
    const Task& task = program_.tasks[id];
    Sm& sm = sms_[sm_index];
    Run& run = runs_[id];
    run.free = sm.free;
    run.ready = sm.free;
    run.cause = sm.last;
    for (const Wait& wait : task.waits) {
      const Reached& reached = reached_[wait.counter.index()];
      run.level = std::max(run.level, reached.level + 1);
      if (reached.time + constants_.edge_us <= run.ready) continue;
      run.ready = reached.time + constants_.edge_us;
      run.cause = reached.by;
    }
    Reached& signal = reached_[task.signal.index()];
    signal.level = std::max(signal.level, run.level);
    // A split of attention without positions does nothing, and nobody waits for it.
    if (history == 0 && std::holds_alternative<abi::AttentionParams>(task.params)) return;
    const auto bytes = static_cast<double>(task.bytes + history);
    // The stream goes on while the SM waits, but no further than the ring holds.
    const double stream_begin = std::max(sm.streamed, run.ready - ring_us_);
    const double arrived = stream_begin + bytes / bytes_per_us_;
    run.stream = std::max(0.0, arrived - run.ready);
    run.end = std::max(run.ready, arrived) + constants_.task_us;
    sm = {run.end, arrived, id};
    if (run.end > signal.time) {
      signal.time = run.end;
      signal.by = id;
    }
  }

  void trace_back(Prediction& out) const {
    uint32_t at = kNone;
    for (uint32_t id = 0; id < runs_.size(); ++id) {
      out.levels = std::max(out.levels, runs_[id].level);
      if (at == kNone || runs_[id].end > runs_[at].end) at = id;
    }
    if (at == kNone) return;
    out.latency_us = runs_[at].end;
    for (; at != kNone; at = runs_[at].cause) {
      out.critical.emplace_back(at);
      out.stream_us += runs_[at].stream;
    }
    std::reverse(out.critical.begin(), out.critical.end());
    out.wait_us = out.latency_us - out.stream_us;
  }

  const Program& program_;
  const CostConstants& constants_;
  uint64_t positions_;
  double bytes_per_us_;  ///< of one SM
  double ring_us_;       ///< how far the stream may run ahead
  std::vector<Run> runs_;
  std::vector<Reached> reached_;
  std::vector<Sm> sms_;
};

}  // namespace

Prediction predict(const Program& program, const abi::TargetInfo& target, uint32_t position,
                   const CostConstants& constants) {
  return Playback(program, target, position, constants).run();
}

std::vector<PlayedTask> play_out(const Program& program, const abi::TargetInfo& target, uint32_t position,
                                 const CostConstants& constants) {
  Playback playback(program, target, position, constants);
  static_cast<void>(playback.run());
  return playback.played();
}

}  // namespace amk::schedule
