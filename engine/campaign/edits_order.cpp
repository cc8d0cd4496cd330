// Edits of waits, queues, counters and of which tasks there are. All are decided by the explorer.
#include <algorithm>

#include "campaign/edits.h"

namespace amk::campaign {
namespace {

using schedule::Program;
using schedule::Task;
using schedule::Wait;
using Queue = std::vector<TaskId>;

CounterId some_counter(const Edit& edit) { return CounterId(edit.below(edit.program.counters.size())); }

Wait whole(const Program& program, CounterId counter) { return {counter, producers_of(program, counter)}; }

Queue& some_queue(const Edit& edit) {
  std::vector<Queue>& queues = edit.program.placement.queues;
  return queues[edit.below(queues.size())];
}

void take_out(Program& program, TaskId task) {
  for (Queue& queue : program.placement.queues) std::erase(queue, task);
}

CounterId new_counter(Program& program) {
  program.counters.push_back({0, "mutant"});
  return CounterId(static_cast<uint32_t>(program.counters.size() - 1));
}

/// A task that waits for `task`, or stands behind it in its queue; `task` itself where there is none.
TaskId behind(const Program& program, TaskId task) {
  const CounterId signal = program.task(task).signal;
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    for (const Wait& wait : program.tasks[i].waits) {
      if (wait.counter == signal) return TaskId(i);
    }
  }
  for (const Queue& queue : program.placement.queues) {
    const auto found = std::find(queue.begin(), queue.end(), task);
    if (found != queue.end() && found + 1 != queue.end()) return *(found + 1);
  }
  return task;
}

}  // namespace

Known apply_DroppedWait(const Edit& edit) {
  edit.task().waits.erase(edit.task().waits.begin() + edit.site.second);
  return Known::kExplored;
}

Known apply_LoweredWait(const Edit& edit) {
  --edit.wait().threshold;
  return Known::kExplored;
}

Known apply_RaisedWait(const Edit& edit) {
  ++edit.wait().threshold;
  return Known::kExplored;
}

Known apply_DoubledWait(const Edit& edit) {
  const Wait wait = edit.wait();
  edit.task().waits.push_back(wait);
  return Known::kExplored;
}

Known apply_WrongCounter(const Edit& edit) {
  edit.wait() = whole(edit.program, some_counter(edit));
  return Known::kExplored;
}

Known apply_ExtraWait(const Edit& edit) {
  edit.task().waits.push_back(whole(edit.program, some_counter(edit)));
  return Known::kExplored;
}

Known apply_SelfWait(const Edit& edit) {
  edit.task().waits.push_back(whole(edit.program, edit.task().signal));
  return Known::kExplored;
}

Known apply_Cycle(const Edit& edit) {
  const TaskId other = behind(edit.program, TaskId(edit.site.first));
  edit.task().waits.push_back(whole(edit.program, edit.program.task(other).signal));
  return Known::kExplored;
}

Known apply_SwappedQueue(const Edit& edit) {
  Queue& queue = edit.program.placement.queues[edit.site.first];
  std::swap(queue[edit.site.second - 1], queue[edit.site.second]);
  return Known::kExplored;
}

Known apply_MovedTask(const Edit& edit) {
  const TaskId task(edit.site.first);
  take_out(edit.program, task);
  Queue& queue = some_queue(edit);
  queue.insert(queue.begin() + edit.below(queue.size() + 1), task);
  return Known::kExplored;
}

Known apply_UnplacedTask(const Edit& edit) {
  take_out(edit.program, TaskId(edit.site.first));
  return Known::kExplored;
}

Known apply_DoublePlacement(const Edit& edit) {
  some_queue(edit).push_back(TaskId(edit.site.first));
  return Known::kExplored;
}

Known apply_MissingProducer(const Edit& edit) {
  Program& program = edit.program;
  const uint32_t gone = edit.site.first;
  take_out(program, TaskId(gone));
  program.tasks.erase(program.tasks.begin() + gone);
  for (Queue& queue : program.placement.queues) {
    for (TaskId& task : queue) {
      if (task.index() > gone) task = TaskId(task.index() - 1);
    }
  }
  join_waits(program);
  refresh_lives(program);
  return Known::kExplored;
}

Known apply_SecondProducer(const Edit& edit) {
  Program& program = edit.program;
  Task twin = edit.task();
  twin.signal = new_counter(program);
  some_queue(edit).push_back(TaskId(static_cast<uint32_t>(program.tasks.size())));
  program.tasks.push_back(std::move(twin));
  refresh_lives(program);
  return Known::kExplored;
}

Known apply_OwnCounter(const Edit& edit) {
  edit.task().signal = new_counter(edit.program);
  join_waits(edit.program);
  return Known::kExplored;
}

Known apply_OtherCounter(const Edit& edit) {
  edit.task().signal = some_counter(edit);
  join_waits(edit.program);
  return Known::kExplored;
}

Known apply_MergedCounters(const Edit& edit) {
  const CounterId kept = some_counter(edit);
  const CounterId merged(edit.site.first);
  for (Task& task : edit.program.tasks) {
    if (task.signal == merged) task.signal = kept;
    for (Wait& wait : task.waits) {
      if (wait.counter == merged) wait.counter = kept;
    }
  }
  join_waits(edit.program);
  return Known::kExplored;
}

Known apply_CounterStart(const Edit& edit) {
  edit.program.counters[edit.site.first].initial = 1;
  return Known::kExplored;
}

}  // namespace amk::campaign
