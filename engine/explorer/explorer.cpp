#include "explorer/explorer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "explorer/law.h"
#include "explorer/memory_map.h"
#include "explorer/task_set.h"

namespace amk::explorer {
namespace {

using schedule::Program;
using schedule::Task;
using schedule::Wait;

/// Where a run stands. The first three decide the rest.
struct State {
  TaskSets started;             ///< one set
  TaskSets finished;            ///< one set
  TaskSets seen;                ///< by task: those ordered before it, settled as it starts
  TaskSets counted;             ///< by counter: those whose finish it has counted, and what they had seen
  std::vector<uint32_t> value;  ///< by counter
  std::vector<uint32_t> head;   ///< by queue: place of the task that runs or is next
  std::vector<Event> trace;
};

/// The next step of the task at the head of a queue.
struct Step {
  size_t queue = 0;
  uint32_t task = kNoTask;
};

/// A state with more than one way on, and the first of them that has not been taken.
struct Branch {
  State state;
  std::vector<Step> steps;
  size_t next = 0;
};

/// What identifies a state.
using Key = std::vector<uint64_t>;

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t hash = 0;
    for (const uint64_t word : key) hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL + (hash >> 29);
    return static_cast<size_t>(hash);
  }
};

}  // namespace

const char* truth_name(Truth truth) {
  switch (truth) {
    case Truth::kSafe:
      return "safe";
    case Truth::kUnsafe:
      return "unsafe";
    case Truth::kUnlawful:
      return "unlawful";
    case Truth::kUnknown:
      return "unknown";
  }
  return "";
}

struct Explorer::Impl {
  const Program* program = nullptr;
  ExploreOptions options;
  Exploration result;
  MemoryMap memory;
  std::vector<uint32_t> producers;   ///< by counter
  std::vector<uint8_t> joined_only;  ///< by counter: nobody goes on before all its producers have finished
  State initial;
  std::vector<Branch> open;
  std::unordered_set<Key, KeyHash> known;

  void run();
  void conclude();
  void prepare();
  void check_own_accesses();
  void go_on_from(State state);
  bool run_settled(State& state);
  bool branch(State& state);
  void finish_run(const State& state);

  [[nodiscard]] uint32_t next_task(const State& state, size_t queue) const;
  [[nodiscard]] bool may_start(const State& state, const Task& task) const;
  [[nodiscard]] bool settled(const State& state, uint32_t task) const;
  [[nodiscard]] bool possible(const State& state, uint32_t task) const;
  void step(State& state, Step taken);
  void start(State& state, Step taken);
  void finish(State& state, Step taken);

  void check_read(const State& state, uint32_t task, const Access& access, uint32_t segment);
  void check_write(const State& state, uint32_t task, const Access& access, uint32_t segment);
  [[nodiscard]] uint32_t unseen(const State& state, uint32_t task, TaskSet touching) const;
  [[nodiscard]] uint32_t last_seen_writer(const State& state, uint32_t task, uint32_t segment) const;

  [[nodiscard]] bool too_many() const { return known.size() > options.states_max; }
  [[nodiscard]] bool over() const { return too_many() || (!options.every_flaw && !result.defects.empty()); }
  void flaw(Flaw kind, std::vector<uint32_t> tasks, const State& state, const Access* access = nullptr,
            uint32_t segment = 0);
};

// ---- the search -----------------------------------------------------------------------------------------------------

void Explorer::Impl::run() {
  if (std::optional<Defect> breach = breach_of_form(*program)) {
    result.truth = Truth::kUnsafe;
    result.defects.push_back(std::move(*breach));
    return;
  }
  prepare();
  check_own_accesses();
  go_on_from(initial);
  while (!open.empty() && !over()) {
    Branch& branch = open.back();
    if (branch.next == branch.steps.size()) {
      open.pop_back();
      continue;
    }
    const Step taken = branch.steps[branch.next++];
    State state = branch.state;
    step(state, taken);
    go_on_from(std::move(state));
  }
  conclude();
}

void Explorer::Impl::conclude() {
  result.states = known.size();
  result.truth = !result.defects.empty() ? Truth::kUnsafe : too_many() ? Truth::kUnknown : Truth::kSafe;
  std::optional<Defect> breach = breach_of_joins(*program);
  if (!breach) return;
  if (result.truth != Truth::kUnsafe) result.truth = Truth::kUnlawful;
  result.defects.push_back(std::move(*breach));
}

void Explorer::Impl::prepare() {
  memory.build(*program);
  open.clear();
  known.clear();
  const size_t tasks = program->tasks.size();
  const size_t counters = program->counters.size();
  producers.assign(counters, 0);
  joined_only.assign(counters, 1);
  for (const Task& task : program->tasks) ++producers[task.signal.index()];
  for (const Task& task : program->tasks) {
    for (const Wait& wait : task.waits) {
      if (wait.threshold < producers[wait.counter.index()]) joined_only[wait.counter.index()] = 0;
    }
  }
  initial.started.reset(1, tasks);
  initial.finished.reset(1, tasks);
  initial.seen.reset(tasks, tasks);
  initial.counted.reset(counters, tasks);
  initial.value.assign(counters, 0);
  initial.head.assign(program->placement.queues.size(), 0);
  initial.trace.clear();
}

/// A task reads and writes in any order: what it writes, it may not touch otherwise, through whichever buffer.
void Explorer::Impl::check_own_accesses() {
  for (uint32_t task = 0; task < program->tasks.size(); ++task) {
    const auto accesses = memory.accesses(task);
    for (const Access& write : accesses) {
      if (!write.write) continue;
      for (const Access& other : accesses) {
        if (&other == &write || other.last <= write.first || write.last <= other.first) continue;
        flaw(other.write ? Flaw::kWriteWrite : Flaw::kTorn, {task, task}, initial, &write,
             std::max(write.first, other.first));
      }
    }
  }
}

void Explorer::Impl::go_on_from(State state) {
  while (!over()) {
    if (options.reduce && run_settled(state)) continue;
    if (!branch(state)) return;
  }
}

/// Takes the steps that commute with all others; whether there were any.
bool Explorer::Impl::run_settled(State& state) {
  bool moved = false;
  for (size_t queue = 0; queue < state.head.size(); ++queue) {
    for (uint32_t task = next_task(state, queue); task != kNoTask && settled(state, task) && !over();
         task = next_task(state, queue)) {
      step(state, {queue, task});
      moved = true;
    }
  }
  return moved;
}

/// Takes the first possible step and leaves the others for later; false where the run ends or joins one gone through.
bool Explorer::Impl::branch(State& state) {
  std::vector<Step> steps;
  for (size_t queue = 0; queue < state.head.size(); ++queue) {
    const uint32_t task = next_task(state, queue);
    if (task != kNoTask && possible(state, task)) steps.push_back({queue, task});
  }
  if (steps.empty()) {
    finish_run(state);
    return false;
  }
  if (steps.size() > 1) {
    Key key(state.started.bits().begin(), state.started.bits().end());
    key.insert(key.end(), state.finished.bits().begin(), state.finished.bits().end());
    key.insert(key.end(), state.seen.bits().begin(), state.seen.bits().end());
    if (!known.insert(std::move(key)).second) return false;
    open.push_back({state, steps, 1});
  }
  step(state, steps[0]);
  return true;
}

/// No step is possible any more.
void Explorer::Impl::finish_run(const State& state) {
  bool stuck = false;
  for (size_t queue = 0; queue < state.head.size(); ++queue) {
    const uint32_t task = next_task(state, queue);
    if (task == kNoTask) continue;
    stuck = true;
    const auto& waits = program->tasks[task].waits;
    const bool hopeless = std::any_of(
        waits.begin(), waits.end(), [&](const Wait& wait) { return wait.threshold > producers[wait.counter.index()]; });
    flaw(hopeless ? Flaw::kNeverFinished : Flaw::kDeadlock, {task}, state);
  }
  if (stuck) return;
  for (uint32_t segment = 0; segment < memory.segments().size(); ++segment) {
    const BufferId required = memory.segments()[segment].required;
    if (!required.valid() || first_task(memory.writers(segment)) != kNoTask) continue;
    const Access whole{segment, segment + 1, required, true};
    flaw(Flaw::kOutput, {}, state, &whole, segment);
  }
}

// ---- steps ----------------------------------------------------------------------------------------------------------

uint32_t Explorer::Impl::next_task(const State& state, size_t queue) const {
  const auto& tasks = program->placement.queues[queue];
  return state.head[queue] < tasks.size() ? tasks[state.head[queue]].index() : kNoTask;
}

bool Explorer::Impl::may_start(const State& state, const Task& task) const {
  return std::all_of(task.waits.begin(), task.waits.end(),
                     [&](const Wait& wait) { return state.value[wait.counter.index()] >= wait.threshold; });
}

/// Whether the next step of `task`, at the head of its queue, is possible.
bool Explorer::Impl::possible(const State& state, uint32_t task) const {
  return contains(state.started.set(0), task) || may_start(state, program->tasks[task]);
}

/// Whether that step is possible and commutes with all that are or will be: see explorer.h.
bool Explorer::Impl::settled(const State& state, uint32_t task) const {
  const Task& record = program->tasks[task];
  if (contains(state.started.set(0), task)) return joined_only[record.signal.index()] != 0;
  return std::all_of(record.waits.begin(), record.waits.end(), [&](const Wait& wait) {
    const uint32_t value = state.value[wait.counter.index()];
    return value >= wait.threshold && value == producers[wait.counter.index()];
  });
}

void Explorer::Impl::step(State& state, Step taken) {
  ++result.steps;
  if (contains(state.started.set(0), taken.task)) {
    finish(state, taken);
  } else {
    start(state, taken);
  }
}

void Explorer::Impl::start(State& state, Step taken) {
  const auto [queue, task] = taken;
  if (state.head[queue] > 0) {
    const uint32_t before = program->placement.queues[queue][state.head[queue] - 1].index();
    state.seen.insert(task, before);
    state.seen.insert(task, state.seen.set(before));
  }
  for (const Wait& wait : program->tasks[task].waits) {
    state.seen.insert(task, state.counted.set(wait.counter.index()));
  }
  for (const Access& access : memory.accesses(task)) {
    for (uint32_t segment = access.first; segment < access.last && !over(); ++segment) {
      access.write ? check_write(state, task, access, segment) : check_read(state, task, access, segment);
    }
  }
  state.started.insert(0, task);
  state.trace.push_back({TaskId(task), false});
}

void Explorer::Impl::finish(State& state, Step taken) {
  const auto [queue, task] = taken;
  const uint32_t counter = program->tasks[task].signal.index();
  ++state.value[counter];
  state.counted.insert(counter, task);
  state.counted.insert(counter, state.seen.set(task));
  state.finished.insert(0, task);
  ++state.head[queue];
  state.trace.push_back({TaskId(task), true});
}

// ---- memory ---------------------------------------------------------------------------------------------------------

/// A task of `touching` that has started and that `task`, which starts now, does not see; kNoTask where there is none.
uint32_t Explorer::Impl::unseen(const State& state, uint32_t task, TaskSet touching) const {
  const TaskSet started = state.started.set(0);
  const TaskSet seen = state.seen.set(task);
  return first_task(touching, [&](uint64_t word, size_t i) { return word & started[i] & ~seen[i]; });
}

void Explorer::Impl::check_read(const State& state, uint32_t task, const Access& access, uint32_t segment) {
  const uint32_t other = unseen(state, task, memory.writers(segment));
  if (other != kNoTask) return flaw(Flaw::kTorn, {task, other}, state, &access, segment);
  const uint32_t writer = last_seen_writer(state, task, segment);
  if (writer == kNoTask) return flaw(Flaw::kUnwritten, {task}, state, &access, segment);
  if (memory.written_as(writer, segment) != access.buffer) {
    flaw(Flaw::kStale, {task, writer}, state, &access, segment);
  }
}

void Explorer::Impl::check_write(const State& state, uint32_t task, const Access& access, uint32_t segment) {
  const uint32_t writer = unseen(state, task, memory.writers(segment));
  if (writer != kNoTask) flaw(Flaw::kWriteWrite, {task, writer}, state, &access, segment);
  const uint32_t reader = unseen(state, task, memory.readers(segment));
  if (reader != kNoTask) flaw(Flaw::kTorn, {task, reader}, state, &access, segment);
}

/// Of the writers that `task` sees, the one that has seen all others; kNoTask where it sees none. Writers that have not
/// seen each other are a flaw of their own, and any of them will do.
uint32_t Explorer::Impl::last_seen_writer(const State& state, uint32_t task, uint32_t segment) const {
  const TaskSet seen = state.seen.set(task);
  const TaskSet writers = memory.writers(segment);
  uint32_t last = first_task(writers, [&](uint64_t word, size_t i) { return word & seen[i]; });
  for (uint32_t next = last; next != kNoTask;) {
    const TaskSet behind = state.seen.set(next);
    last = next;
    next = first_task(writers, [&](uint64_t word, size_t i) {
      const uint64_t self = i == last / 64 ? uint64_t{1} << (last % 64) : 0;
      return word & seen[i] & ~behind[i] & ~self;
    });
    if (next != kNoTask && !contains(state.seen.set(next), last)) return last;
  }
  return last;
}

void Explorer::Impl::flaw(Flaw kind, std::vector<uint32_t> tasks, const State& state, const Access* access,
                          uint32_t segment) {
  const auto same = [kind](const Defect& defect) { return defect.flaw == kind; };
  if (std::any_of(result.defects.begin(), result.defects.end(), same)) return;
  Defect defect;
  defect.flaw = kind;
  for (const uint32_t task : tasks) defect.tasks.push_back(TaskId(task));
  if (access != nullptr) memory.locate(defect, access->buffer, segment);
  defect.trace = state.trace;
  result.defects.push_back(std::move(defect));
}

// ---- Explorer -------------------------------------------------------------------------------------------------------

Explorer::Explorer() : impl_(std::make_unique<Impl>()) {}
Explorer::~Explorer() = default;
Explorer::Explorer(Explorer&&) noexcept = default;
Explorer& Explorer::operator=(Explorer&&) noexcept = default;

const Exploration& Explorer::explore(const Program& program, const ExploreOptions& options) {
  impl_->program = &program;
  impl_->options = options;
  impl_->result = {};
  impl_->run();
  return impl_->result;
}

}  // namespace amk::explorer
