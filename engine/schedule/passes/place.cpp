// place: gives every task an SM, and every SM its queue.
//
// Runs after tile; the queues keep the order of task ids, in which every producer stands before its readers, so no
// placement can deadlock. Needs the knob sm_assignment; leaves Program::placement.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

#include "schedule/passes/lowering_state.h"

namespace amk::schedule::passes {
namespace {

/// One stage's tasks, heaviest first, each to the SM that would be done first: with this stage, then with everything.
/// `weight` is each SM's share of the bandwidth, 1 for equal ones.
class Balancer {
 public:
  explicit Balancer(std::vector<double> weight) : weight_(std::move(weight)), total_(weight_.size(), 0.0) {}

  void place_stage(const std::vector<Task>& tasks, const Stage& stage, std::vector<uint32_t>& sm_of) {
    std::vector<uint32_t> order(stage.end - stage.begin);
    std::iota(order.begin(), order.end(), stage.begin);
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return tasks[a].bytes > tasks[b].bytes; });

    using Entry = std::tuple<double, double, uint32_t>;  // time in this stage, time in all, SM
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> idle;
    for (uint32_t sm = 0; sm < total_.size(); ++sm) idle.emplace(0.0, total_[sm], sm);
    for (const uint32_t task : order) {
      const auto [in_stage, in_all, sm] = idle.top();
      idle.pop();
      // A task that moves nothing still takes its turn.
      const double time = (static_cast<double>(tasks[task].bytes) + 1.0) / weight_[sm];
      sm_of[task] = sm;
      total_[sm] += time;
      idle.emplace(in_stage + time, in_all + time, sm);
    }
  }

 private:
  std::vector<double> weight_;
  std::vector<double> total_;
};

Result<std::vector<uint32_t>> assign(const LoweringState& state) {
  const SmAssignment& knob = state.request.config.sm_assignment;
  const uint32_t sms = state.request.target->sms;
  const std::vector<Task>& tasks = state.program.tasks;
  const auto wrong_length = [&](std::string_view what, size_t expected, size_t found) {
    return Error{ErrorCode::kUsage, fmt::format("expected {} {}, found {}", expected, what, found),
                 "knob sm_assignment", ""};
  };
  std::vector<uint32_t> sm_of(tasks.size(), 0);
  switch (knob.policy) {
    case abi::SmPolicy::kRoundRobin:
      for (uint32_t task = 0; task < tasks.size(); ++task) sm_of[task] = task % sms;
      return sm_of;
    case abi::SmPolicy::kLoadBalance:
    case abi::SmPolicy::kMeasured: {
      const bool measured = knob.policy == abi::SmPolicy::kMeasured;
      if (measured && knob.bandwidth.size() != sms)
        return wrong_length("bandwidths, one an SM", sms, knob.bandwidth.size());
      Balancer balancer(measured ? knob.bandwidth : std::vector<double>(sms, 1.0));
      for (size_t i = 0; i < state.stages.size();) {
        Stage together = state.stages[i++];
        while (i < state.stages.size() && state.stages[i].beside) together.end = state.stages[i++].end;
        balancer.place_stage(tasks, together, sm_of);
      }
      return sm_of;
    }
    case abi::SmPolicy::kExplicit:
      if (knob.sm_of.size() != tasks.size()) return wrong_length("SMs, one a task", tasks.size(), knob.sm_of.size());
      for (const uint32_t sm : knob.sm_of) {
        if (sm < sms) continue;
        return Error{ErrorCode::kUsage, fmt::format("expected SMs below {}, found {}", sms, sm), "knob sm_assignment",
                     ""};
      }
      return knob.sm_of;
  }
  return Error{ErrorCode::kInternal, "an SmPolicy outside its table", "", ""};
}

}  // namespace

Status place(LoweringState& state) {
  AMK_ASSIGN_OR_RETURN(const std::vector<uint32_t> sm_of, assign(state));
  state.program.placement.queues.assign(state.request.target->sms, {});
  for (uint32_t task = 0; task < sm_of.size(); ++task)
    state.program.placement.queues[sm_of[task]].push_back(TaskId(task));
  return {};
}

}  // namespace amk::schedule::passes
