// Progress: every task is placed once, every wait can be satisfied, and edges and queues together have no cycle.
//
// Counters only rise and no task is ever unready again, so it does not matter in which order ready tasks are taken: if
// one walk reaches the end, every execution does. The walk is also the topological order that hazards.cpp needs.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "validator/context.h"

namespace amk::validator {
namespace {

using abi::Rule;
using schedule::Program;

constexpr uint32_t kNowhere = UINT32_MAX;

void count_edges(Context& context) {
  Workspace& work = context.work;
  work.producers.assign(context.program.counters.size(), 0);
  work.waiters.assign(context.program.counters.size(), 0);
  for (const schedule::Task& task : context.program.tasks) {
    if (task.signal.index() < work.producers.size()) ++work.producers[task.signal.index()];
    for (const schedule::Wait& wait : task.waits) {
      if (wait.counter.index() < work.waiters.size()) ++work.waiters[wait.counter.index()];
    }
  }
}

void check_counters(Context& context) {
  const Program& program = context.program;
  for (uint32_t i = 0; i < program.counters.size(); ++i) {
    if (program.counters[i].initial == 0) continue;
    context.report(Rule::kCounterZero, {},
                   fmt::format("counter {}: expected the initial value 0, found {}", i, program.counters[i].initial));
  }
  for (uint32_t i = 0; i < program.tasks.size(); ++i) {
    for (const schedule::Wait& wait : program.tasks[i].waits) {
      if (wait.counter.index() >= program.counters.size()) continue;  // reported as a reference
      const uint32_t producers = context.work.producers[wait.counter.index()];
      if (producers == 0) {
        context.report(
            Rule::kNoProducer, {TaskId(i)},
            fmt::format("counter {}: expected a task that increments it, found none that does", wait.counter.index()));
      } else if (wait.threshold != producers) {
        context
            .report(
                Rule::kThreshold, {TaskId(i)},
                fmt::format("counter {}: expected the threshold {}, the number of tasks that increment it, found {}",
                            wait.counter.index(), producers, wait.threshold))
            .mend = fmt::format("set the threshold to {}; if another number of tasks was meant, correct their signals",
                                producers);
      }
    }
  }
}

/// What a stuck task waits for: a task, by a counter.
struct Blocker {
  uint32_t task = 0;
  CounterId counter;
};

/// One link of a cycle: the head of a queue, and what it waits for.
struct Link {
  uint32_t head = 0;
  Blocker blocker;
};

/// Runs the program's control flow: queues in order, waits as joins of all producers.
class Walk {
 public:
  explicit Walk(Context& context)
      : program_(context.program),
        work_(context.work),
        left_(context.work.producers_left),
        next_(context.work.next_place),
        ready_(context.work.ready) {
    const size_t sms = program_.placement.queues.size();
    left_ = work_.producers;
    next_.assign(sms, 0);
    ready_.clear();
    work_.first_blocked.assign(program_.counters.size(), kNowhere);
    work_.next_blocked.assign(sms, kNowhere);
  }

  /// Fills Workspace::order.
  void run() {
    work_.order.clear();
    for (uint32_t sm = 0; sm < next_.size(); ++sm) ready_.push_back(sm);
    // Breadth first, so that the order is close to time.
    for (size_t i = 0; i < ready_.size(); ++i) {
      advance(ready_[i]);
      if (i >= kCompactAfter && 2 * i > ready_.size()) {
        ready_.erase(ready_.begin(), ready_.begin() + static_cast<long>(i) + 1);
        i = SIZE_MAX;  // becomes 0
      }
    }
  }

  /// The head of an SM's queue, or kNowhere at its end.
  [[nodiscard]] uint32_t head(uint32_t sm) const {
    const std::vector<TaskId>& queue = program_.placement.queues[sm];
    return next_[sm] < queue.size() ? queue[next_[sm]].index() : kNowhere;
  }

  /// An unfinished task that the head of `sm` cannot start without, and the counter that says so; nothing when it waits
  /// for what nobody does.
  [[nodiscard]] std::optional<Blocker> blocker(uint32_t sm,
                                               const std::vector<std::vector<uint32_t>>& producers_of) const {
    for (const schedule::Wait& wait : program_.tasks[head(sm)].waits) {
      if (left_[wait.counter.index()] == 0) continue;
      for (const uint32_t producer : producers_of[wait.counter.index()]) {
        if (next_[work_.sm_of[producer]] <= work_.place_of[producer]) return Blocker{producer, wait.counter};
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t kCompactAfter = 1 << 16;

  /// Runs one task of `sm` if it is ready and queues the SM again; else parks it at the counter it lacks.
  void advance(uint32_t sm) {
    const uint32_t task = head(sm);
    if (task == kNowhere) return;
    for (const schedule::Wait& wait : program_.tasks[task].waits) {
      if (left_[wait.counter.index()] == 0 && work_.producers[wait.counter.index()] != 0) continue;
      uint32_t& first = work_.first_blocked[wait.counter.index()];
      work_.next_blocked[sm] = first;
      first = sm;
      return;
    }
    work_.order.push_back(task);
    ++next_[sm];
    ready_.push_back(sm);
    const uint32_t signal = program_.tasks[task].signal.index();
    if (--left_[signal] != 0) return;
    for (uint32_t& at = work_.first_blocked[signal]; at != kNowhere; at = work_.next_blocked[at]) ready_.push_back(at);
  }

  const Program& program_;
  Workspace& work_;
  std::vector<uint32_t>& left_;
  std::vector<uint32_t>& next_;
  std::vector<uint32_t>& ready_;
};

/// "task 3 'a' waits for counter 2 of task 2 'b'; ...", and where that one stands when it is not at the head itself.
std::string cycle_words(const Context& context, const std::vector<Link>& cycle) {
  const Program& program = context.program;
  std::string words;
  for (size_t i = 0; i < cycle.size(); ++i) {
    const uint32_t task = cycle[i].blocker.task, next_head = cycle[(i + 1) % cycle.size()].head;
    words += fmt::format("{}task {} '{}' waits for counter {} of task {} '{}'", i == 0 ? "" : "; ", cycle[i].head,
                         program.tasks[cycle[i].head].label, cycle[i].blocker.counter.index(), task,
                         program.tasks[task].label);
    if (task != next_head)
      words += fmt::format(", which stands after task {} on SM {}", next_head, context.work.sm_of[task]);
  }
  return words;
}

/// Follows from every stuck SM what it waits for; each cycle is reported once.
void report_deadlocks(Context& context, const Walk& walk) {
  const Program& program = context.program;
  std::vector<std::vector<uint32_t>> producers_of(program.counters.size());
  for (uint32_t i = 0; i < program.tasks.size(); ++i) producers_of[program.tasks[i].signal.index()].push_back(i);

  constexpr uint32_t kUnseen = 0;
  std::vector<uint32_t> seen(program.placement.queues.size(), kUnseen);  // 1 + the SM from which it was reached
  for (uint32_t start = 0; start < seen.size(); ++start) {
    uint32_t sm = start;
    std::vector<uint32_t> path;
    std::vector<Link> links;
    while (sm != kNowhere && walk.head(sm) != kNowhere && seen[sm] == kUnseen) {
      seen[sm] = start + 1;
      path.push_back(sm);
      const std::optional<Blocker> blocker = walk.blocker(sm, producers_of);
      if (blocker) links.push_back({walk.head(sm), *blocker});
      sm = blocker ? context.work.sm_of[blocker->task] : kNowhere;
    }
    const auto entry = std::find(path.begin(), path.end(), sm);
    if (sm == kNowhere || entry == path.end()) continue;  // led to what is reported already
    const std::vector<Link> cycle(links.begin() + (entry - path.begin()), links.end());
    std::vector<TaskId> tasks;
    for (const Link& link : cycle) tasks.emplace_back(link.head);
    context.report(
        Rule::kDeadlock, std::move(tasks),
        fmt::format("expected no cycle of waits and queue order, found one: {}", cycle_words(context, cycle)));
  }
}

}  // namespace

void check_placement(Context& context) {
  const Program& program = context.program;
  Workspace& work = context.work;
  work.sm_of.assign(program.tasks.size(), kNowhere);
  work.place_of.assign(program.tasks.size(), 0);
  work.placed = true;
  for (uint32_t sm = 0; sm < program.placement.queues.size(); ++sm) {
    const std::vector<TaskId>& queue = program.placement.queues[sm];
    for (uint32_t place = 0; place < queue.size(); ++place) {
      const uint32_t task = queue[place].index();
      if (task >= program.tasks.size()) {
        work.placed = false;
        context.report(Rule::kReference, {},
                       fmt::format("queue {}: expected tasks below {}, found {}", sm, program.tasks.size(),
                                   static_cast<int32_t>(task)));
      } else if (work.sm_of[task] != kNowhere) {
        work.placed = false;
        context
            .report(Rule::kQueueOnce, {TaskId(task)},
                    fmt::format("expected it in one queue, found it in queues {} and {}", work.sm_of[task], sm))
            .mend = fmt::format("take it out of queue {}", sm);
      } else {
        work.sm_of[task] = sm;
        work.place_of[task] = place;
      }
    }
  }
  for (uint32_t task = 0; task < program.tasks.size(); ++task) {
    if (work.sm_of[task] != kNowhere) continue;
    work.placed = false;
    context.report(Rule::kQueueOnce, {TaskId(task)}, "expected it in one queue, found it in none");
  }
}

void check_progress(Context& context) {
  count_edges(context);
  check_counters(context);
  context.work.order.clear();
  if (!context.work.placed) return;
  for (const schedule::Task& task : context.program.tasks) {
    // A task that signals nowhere, or waits for a counter that does not exist, is reported; no walk can be made of it.
    if (task.signal.index() >= context.program.counters.size()) return;
    for (const schedule::Wait& wait : task.waits) {
      if (wait.counter.index() >= context.program.counters.size()) return;
    }
  }
  Walk walk(context);
  walk.run();
  if (context.work.order.size() != context.program.tasks.size()) report_deadlocks(context, walk);
}

}  // namespace amk::validator
